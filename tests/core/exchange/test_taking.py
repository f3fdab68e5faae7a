"""Which answer lines count, and why the others do not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelpress.classes import Classes
from labelpress.exchange.lines import LINES, read_lines
from labelpress.exchange.taking import sort_out
from labelpress.tables.schemas import ANSWERS, ASKS

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
ASKED = datetime(2026, 3, 2, tzinfo=UTC)
EXPIRES = datetime(2026, 3, 30, tzinfo=UTC)
CLASSES = Classes(("ham", "spam"))


def _asks(*names, expires=EXPIRES):
    rows = [
        {
            "ask_id": name,
            "row_id": f"r-{name}",
            "row_hash": "00",
            "created": ASKED,
            "expires": expires,
        }
        for name in names or ("a", "b", "c")
    ]
    return pl.DataFrame(rows, schema=ASKS)


def _lines(*rows, **columns):
    """Lines 2, 3, ...: ask, label, annotator; further columns hold for all of them."""
    frame = pl.DataFrame(
        [
            {"line": number, "ask_id": ask, "label": label, "annotator": who, "tool": "file"}
            for number, (ask, label, who) in enumerate(rows, 2)
        ],
        schema=LINES,
    )
    return frame.with_columns(**{n: pl.lit(v).cast(LINES[n]) for n, v in columns.items()})


def _sort(lines, answers=None, now=NOW, asks=None, **kwargs):
    known = ANSWERS.to_frame() if answers is None else answers
    return sort_out(lines, _asks() if asks is None else asks, known, CLASSES, now, **kwargs)


def _said(taken):
    return taken.select("ask_id", "label", "annotator").rows()


def test_an_answer_is_taken_with_what_the_ask_says_of_its_row():
    """The file need not say it."""
    found = _sort(_lines(("a", "spam", "ada"), row_id="r-a", seconds=7.5))

    assert found.taken.select("ask_id", "row_id", "row_hash", "label", "seconds").rows() == [
        ("a", "r-a", "00", "spam", 7.5)
    ]
    assert found.refused.height == 0


def test_each_refused_line_says_why():
    """By its number in the file, with what is wrong and what would be right."""
    lines = _lines(
        ("a", "spam", "ada"),
        ("x", "spam", "ada"),
        ("b", "spma", "ada"),
        ("c", "ham", None),
        ("a", "ham", "ada"),
        (None, "ham", "ada"),
    )

    found = _sort(lines)

    assert found.taken["ask_id"].to_list() == ["a"]
    assert found.refused.rows() == [
        (3, "no such ask in this project"),
        (4, "no such class 'spma'. Did you mean 'spam'?"),
        (5, "no annotator"),
        (6, "line 2 answers the same ask with spam"),
        (7, "names no ask"),
    ]


def test_a_line_about_another_row_than_its_ask_is_refused():
    """Somebody sorted one column of the sheet and not the others."""
    found = _sort(_lines(("a", "spam", "ada"), row_id="r-b"))

    assert found.refused["refused"].to_list() == ["the ask is about row r-a, not row r-b"]


def test_the_same_lines_again_change_nothing():
    """They are known, not refused: nothing is wrong with them."""
    lines = _lines(("a", "spam", "ada"), ("b", None, "ada"))
    first = _sort(lines)

    again = _sort(lines, first.taken)

    assert (again.taken.height, again.refused.height, again.repeated) == (0, 0, 2)


def test_twice_in_one_file_is_once():
    """When both lines say the same."""
    found = _sort(_lines(("a", "spam", "ada"), ("a", "spam", "ada")))

    assert (found.taken.height, found.repeated, found.refused.height) == (1, 1, 0)


def test_two_annotators_of_one_ask_are_two_answers():
    """Even when they say the same."""
    found = _sort(_lines(("a", "spam", "ada"), ("a", "spam", "ben"), ("a", "ham", "cho")))

    assert found.taken["annotator"].to_list() == ["ada", "ben", "cho"]


def test_another_answer_by_the_same_annotator_is_refused():
    """A changed mind is asked for as a recheck, not slipped in by a second file."""
    first = _sort(_lines(("a", "spam", "ada")))

    again = _sort(_lines(("a", "ham", "ada")), first.taken)

    assert again.taken.height == 0
    assert again.refused["refused"].to_list() == ["ada answered this ask before, with spam"]


def test_lines_not_filled_in_are_neither_taken_nor_refused():
    """Half of a file comes today, the other half tomorrow."""
    lines = _lines(("a", "spam", "ada"), ("b", None, None), ("c", None, None))

    found = _sort(lines)

    assert (found.taken.height, found.blank, found.refused.height) == (1, 2, 0)


def test_a_label_takes_the_place_of_a_skip():
    """Who wrote a name into every line of a half-done file has skipped nothing for good."""
    half = _sort(_lines(("a", "spam", "ada"), ("b", None, "ada")))

    whole = _sort(_lines(("a", "spam", "ada"), ("b", "ham", "ada")), half.taken)

    assert _said(half.taken) == [("a", "spam", "ada"), ("b", None, "ada")]
    assert _said(whole.taken) == [("b", "ham", "ada")]
    assert whole.refused.height == 0


@pytest.mark.parametrize(
    ("clock", "booked"),
    [
        (None, NOW),
        (datetime(1970, 1, 1, tzinfo=UTC), ASKED),
        (datetime(2036, 1, 1, tzinfo=UTC), NOW),
        (datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)),
    ],
)
def test_clocks_lie_only_between_the_ask_and_now(clock, booked):
    """An answer cannot be older than its question or come from the future."""
    found = _sort(_lines(("a", "spam", "ada"), answered=clock))

    assert found.taken["answered"].to_list() == [booked]
    assert found.taken["imported"].to_list() == [NOW]


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 40)), max_size=5))
@settings(max_examples=40, deadline=None)
def test_whatever_came_before_the_whole_file_leaves_the_same_answers(parts):
    """Pieces of it, from anywhere, cut anywhere, in any order and number."""
    rows = [
        f"{ask},{label},{who},5,,\n"
        for who, label in (("ada", "spam"), ("adam", "ham"), ("ben", "spam"))
        for ask in ("a", "b", "c")
    ]
    header = "ask_id,label,annotator,seconds,rationale,answered\n"
    answers = ANSWERS.to_frame()
    for first, count, cut in parts:
        piece = "".join(rows[first % 9 :][: count % 9])
        read = read_lines("x.csv", (header + piece[: max(len(piece) - cut, 0)]).encode())
        answers = pl.concat([answers, _sort(read.lines, answers).taken])
    whole = _sort(read_lines("x.csv", (header + "".join(rows)).encode()).lines, answers)

    said = _said(pl.concat([answers, whole.taken]).sort("annotator", "ask_id"))
    assert [f"{ask},{label},{who},5,,\n" for ask, label, who in said] == rows
    assert whole.refused.height == 0


class TestExpired:
    """Answers to an ask that has expired."""

    LATER = EXPIRES + timedelta(days=3)

    def test_given_in_time_and_brought_late_counts(self):
        """The post is slow, the expert was not."""
        lines = _lines(("a", "spam", "ada"), answered=EXPIRES - timedelta(hours=1))

        found = _sort(lines, now=self.LATER)

        assert found.taken.height == 1

    def test_given_too_late_is_refused(self):
        """The reason says when it expired, and how to take it all the same."""
        found = _sort(_lines(("a", "spam", "ada")), now=self.LATER)

        assert found.taken.height == 0
        assert found.refused["refused"].item() == (
            "the ask expired on 2026-03-30 and the answer says no earlier time; import with "
            "--late to take it all the same"
        )

    def test_is_taken_when_somebody_says_so(self):
        """An expert's minutes are too dear to throw away."""
        assert _sort(_lines(("a", "spam", "ada")), now=self.LATER, late=True).taken.height == 1
