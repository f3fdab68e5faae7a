"""Files of answers as people and tools leave them: every whole line is read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelpress.errors import AnswerError
from labelpress.exchange.lines import holds_answers, read_lines

HEADER = "ask_id,label,annotator,seconds,rationale,answered\n"


def _of(read, *columns):
    return read.lines.select(columns).rows()


def test_a_csv_file_is_read_as_its_columns_say():
    """Whatever their order, and with blanks around them."""
    text = "label, ask_id ,extra,annotator\n spam ,a,x,ada\n"

    read = read_lines("answers.csv", text.encode())

    assert _of(read, "line", "ask_id", "label", "annotator") == [(2, "a", "spam", "ada")]
    assert read.said.columns == ["line", "label", "ask_id", "extra", "annotator"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_may_use_the_delimiter_of_their_country(delimiter):
    """With the mark that some put before UTF-8, and their line ends."""
    text = "\ufeffask_id,label,annotator\r\na,spam,ada\r\n".replace(",", delimiter)

    assert _of(read_lines("x.csv", text.encode()), "ask_id", "annotator") == [("a", "ada")]


def test_a_text_over_several_lines_is_one_line():
    """And the lines after it keep their numbers in the file."""
    text = HEADER + 'a,spam,ada,1,"first\nsecond",\nb,ham,ada,1,,\n'

    assert _of(read_lines("x.csv", text.encode()), "line", "rationale") == [
        (2, "first\nsecond"),
        (4, None),
    ]


class TestHalfAFile:
    """A file that was cut off somewhere."""

    TEXT = HEADER + "a,spam,ada,4,clear,2026-03-05\nb,ham,adam,5,plain,2026-03-05\n"

    def test_no_cut_invents_an_answer_or_an_annotator(self):
        """Wherever it falls, each line read is a line of the whole file."""
        whole = set(_of(read_lines("x.csv", self.TEXT.encode()), "ask_id", "label", "annotator"))
        for end in range(len(HEADER), len(self.TEXT)):
            read = read_lines("x.csv", self.TEXT[:end].encode())
            assert set(_of(read, "ask_id", "label", "annotator")) <= whole

    def test_the_cut_line_is_listed(self):
        """With its number and what is left of it."""
        read = read_lines("x.csv", self.TEXT[:-14].encode())

        assert read.lines.height == 1
        assert read.damaged.rows() == [
            (3, "has 5 fields where the header has 6", "b,ham,adam,5,pla")
        ]

    def test_a_name_that_was_cut_is_not_a_new_annotator(self):
        """When the annotator stands last in the line."""
        text = "ask_id,label,annotator\na,spam,adam\nb,ham,ada"

        read = read_lines("x.csv", text.encode())

        assert _of(read, "annotator") == [("adam",)]
        assert read.damaged["refused"].to_list() == ["is the last and seems cut off in 'annotator'"]

    @pytest.mark.parametrize("rest", ["", "\nb,ham,ada,5,,\nc,ham,ada,5,,\n"])
    def test_an_open_quote_swallows_nothing_unsaid(self, rest):
        """All that it took in is listed with the line that opens it."""
        text = f'{HEADER}a,spam,ada,4,,\nd,spam,ada,4,,"I think{rest}'

        read = read_lines("x.csv", text.encode())

        assert _of(read, "line", "ask_id") == [(2, "a")]
        assert read.damaged["line"].to_list() == [3]
        assert "opens a quote that nothing closes" in read.damaged["refused"][0]
        assert read.damaged["text"][0] == f"d,spam,ada,4,,I think{rest}"

    def test_a_closed_quote_at_the_very_end_is_whole(self):
        """Also over several lines, and with quotes in it."""
        text = f'{HEADER}a,spam,ada,4,,"first\n""second"""'

        assert _of(read_lines("x.csv", text.encode()), "ask_id") == [("a",)]

    def test_json_lines_give_all_their_whole_lines(self):
        """The last is no JSON any more."""
        text = '{"ask_id": "a", "label": "spam", "annotator": "ada"}\n{"ask_id": "b", "lab'

        read = read_lines("x.jsonl", text.encode())

        assert _of(read, "ask_id", "label") == [("a", "spam")]
        assert read.damaged["line"].to_list() == [2]


@pytest.mark.parametrize(
    "line", ["[1, 2]", "nonsense", '{"ask_id": "\\ud800", "label": "ham"}', "[" * 100_000]
)
def test_a_line_that_is_no_record_costs_no_other(line):
    """It is listed instead."""
    text = f'{line}\n{{"ask_id": "b", "label": "ham", "annotator": "ada"}}\n'

    read = read_lines("x.jsonl", text.encode())

    assert _of(read, "line", "ask_id") == [(2, "b")]
    assert read.damaged["line"].to_list() == [1]


def test_a_name_alone_is_no_skip_where_more_could_be_said():
    """Names get filled down a whole sheet; a skip says why, when or how long, or has no room to."""
    sheet = read_lines("x.csv", f"{HEADER}a,,ada,,,\nb,,ada,,no idea,\nc,,ada,3,,\n".encode())
    script = read_lines("x.csv", b"ask_id,label,annotator\na,,ada\n")

    assert _of(sheet, "ask_id", "annotator") == [("a", None), ("b", "ada"), ("c", "ada")]
    assert _of(script, "ask_id", "annotator") == [("a", "ada")]


@pytest.mark.parametrize("value", ["-3", "0", "nan", "inf", "soon", "1e9", ""])
def test_seconds_that_cannot_be_are_not_believed(value):
    """The answer is, and its time is modelled."""
    read = read_lines("x.csv", f"{HEADER}a,spam,ada,{value},,\n".encode())

    assert _of(read, "label", "seconds", "seconds_source") == [("spam", None, "modelled")]


def test_numbers_no_clock_can_hold_cost_no_answer():
    """Neither theirs nor another's; nor does a column that names what it should not."""
    stamped = '{"meta": {"ask_id": "b"}, "answer": "accept", "accept": ["ham"], "_timestamp": %s}'
    text = "\n".join(
        [
            '{"ask_id": "a", "label": "spam", "annotator": "ada", "seconds": 1%s}' % ("0" * 400),
            *(stamped % stamp for stamp in ("1e20", "Infinity", "1700000000123")),
            '{"ask_id": "c", "label": "spam", "seconds": 3, "seconds_source": ["x"], "tool": null}',
        ]
    )

    read = read_lines("x.jsonl", text.encode())

    assert read.damaged.height == 0
    assert _of(read, "ask_id", "answered") == [("a", None), *[("b", None)] * 3, ("c", None)]
    assert read.lines["seconds_source"].to_list() == ["modelled"] * 4 + ["declared"]
    assert read.lines["tool"][4] == "file"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-05T10:00:00+02:00", datetime(2026, 3, 5, 8, tzinfo=UTC)),
        ("2026-03-05 10:00", datetime(2026, 3, 5, 10, tzinfo=UTC)),
        ("2026-03-05", datetime(2026, 3, 5, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
    ],
)
def test_times_are_utc_where_they_name_no_zone(text, moment):
    """What is no time is no reason to lose an answer."""
    read = read_lines("x.csv", f"{HEADER}a,spam,ada,,,{text}\n".encode())

    assert _of(read, "label", "answered") == [("spam", moment)]


def test_a_prodigy_task_is_an_answer():
    """Accepted options are labels; ignored tasks are skips; two options are refused."""
    task = '{"text": "x", "meta": {"ask_id": "%s"}, "accept": %s, "answer": "%s"'
    tail = ', "_annotator_id": "set-ada", "_timestamp": 1772704800}\n'
    text = "".join(
        task % values + tail
        for values in (
            ("a", '["spam"]', "accept"),
            ("b", "[]", "ignore"),
            ("c", '["ham", "spam"]', "accept"),
        )
    )

    read = read_lines("x.jsonl", text.encode())

    assert _of(read, "ask_id", "label", "annotator", "answered", "tool") == [
        ("a", "spam", "set-ada", datetime(2026, 3, 5, 10, tzinfo=UTC), "prodigy"),
        ("b", None, "set-ada", datetime(2026, 3, 5, 10, tzinfo=UTC), "prodigy"),
    ]
    assert read.damaged["line"].to_list() == [3]


ARGILLA = (
    '{"id": "a", "fields": {"text": "x"}, "metadata": {}, "suggestions": {}, "vectors": {}, '
    '"status": "completed", "_server_id": "s", "responses": {"label": ['
    '{"value": "spam", "user_id": "u1"}, {"value": "ham", "user_id": "u2"}], '
    '"rationale": [{"value": "a link", "user_id": "u1"}]}}'
)


@pytest.mark.parametrize(("name", "text"), [("x.jsonl", ARGILLA), ("x.json", f"[{ARGILLA}]")])
def test_an_argilla_record_is_an_answer_per_user(name, text):
    """As lines, and as the array that Argilla 2.8 exports."""
    read = read_lines(name, text.encode())

    assert _of(read, "line", "ask_id", "label", "annotator", "rationale", "tool") == [
        (1, "a", "spam", "u1", "a link", "argilla"),
        (1, "a", "ham", "u2", None, "argilla"),
    ]


def test_an_argilla_record_in_work_waits():
    """Its response may be a draft: it is listed, and taken when the record is completed."""
    read = read_lines("x.json", f"[{ARGILLA.replace('completed', 'pending')}]".encode())

    assert read.lines.height == 0
    assert "may be a draft" in read.damaged["refused"][0]


@pytest.mark.parametrize("text", ["[" + ARGILLA, ARGILLA, "[" * 100_000])
def test_an_array_that_is_none_is_refused_whole(text):
    """Cut off, it has no lines of which some are whole."""
    with pytest.raises(AnswerError, match="Nothing was taken"):
        read_lines("x.json", text.encode())


def test_rejected_lines_that_were_mended_can_be_read_again():
    """The list of rejected lines has the columns of the file, and two of its own."""
    text = "line,refused,ask_id,label,annotator\n7,no such class,a,spam,ada\n"

    read = read_lines("x.rejected.csv", text.encode())

    assert _of(read, "line", "label") == [(2, "spam")]
    assert read.said.columns == ["line", "ask_id", "label", "annotator"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff\xfea\x00", "is not UTF-8"),
        (b"", "lacks the columns ask_id, label, annotator; it has none"),
        (b"ask_id,label\na,spam\n", "lacks the columns annotator"),
        (b"ask_id,label,label,annotator\n", "has the column 'label' twice"),
    ],
)
def test_a_file_of_another_kind_is_refused_whole(data, message):
    """Nothing of it is guessed."""
    with pytest.raises(AnswerError, match=message):
        read_lines("x.csv", data)


def test_a_file_with_answers_in_it_is_known_as_such():
    """So that an export does not write over it."""
    assert holds_answers("x.csv", f"{HEADER}a,spam,,,,\n".encode())
    assert not holds_answers("x.csv", f"{HEADER}a,,,,,\n".encode())


PIECES = st.sampled_from(
    [
        *("ask_id,label,annotator", "seconds", "a", "é", "1e999", "0001-01-01"),
        *(",", ";", "\n", "\r", '"', "[", "]", "{", "}", "\\ud800", "\x00", "\ufeff"),
        *('{"ask_id": ', '"answer": "accept", "meta": {}', '{"meta": {}, "answer": "accept"}'),
        '{"fields": {}, "responses": {"label": [1]}}',
    ]
)


@given(st.lists(PIECES).map("".join), st.sampled_from(["x.csv", "x.jsonl", "x.json"]))
@settings(max_examples=150, deadline=None)
def test_no_text_is_a_surprise(text, name):
    """Whatever stands in a file, it is read, listed, or refused in words."""
    for start in ("", "ask_id,label,annotator\n"):
        try:
            read = read_lines(name, (start + text).encode())
        except AnswerError:
            continue
        assert read.lines.height == read.said.height
