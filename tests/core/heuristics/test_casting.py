"""Casting: from a frame to the vote matrix, whatever lies in the frame."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from unittest.mock import patch

import ahocorasick_rs
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelpress.classes import Classes
from labelpress.errors import HeuristicError
from labelpress.heuristics import (
    cast,
    cast_cells,
    casting,
    check_columns,
    heuristic,
    keyword_scan,
    keywords,
    lookup,
    regex,
)
from labelpress.heuristics.loading import unbundled
from labelpress.heuristics.rows import OpenRow, row_type

FRAME = pl.DataFrame(
    {
        "text": ["Subscribe to my channel", "hello", None, "CHECK it OUT, PLEASE"],
        "n": [1.0, float("nan"), None, 40.0],
        "vendor": ["ham", None, "spam", "ham"],
        "flag": [True, False, None, True],
        "domain": ["a.com", "b.com", None, "c.com"],
    }
)
ALL_KINDS = """
words = keywords(["subscribe", "my channel", "please"], label="spam", column="text")
exact = keywords(["check"], label="spam", column="text", ignore_case=False)
alone = keywords(["hell", "out"], label="ham", column="text", whole_words=True)
pattern = regex(r"(?i)check.{0,5}out", label="spam", column="text")
big = heuristic(pl.col("n") > 3, label="spam")
named = heuristic(pl.when(pl.col("n") > 3).then(pl.lit("ham")))
always = heuristic(pl.lit(True), label="ham")
vendor = column("vendor")
flag = column("flag", label="ham")
recoded = column("domain", values={"a.com": "spam", "b.com": "ham", "c.com": None})
table = lookup({"a.com": "spam", None: "ham"}, column="domain")
listed = lookup(["b.com"], column="domain", label="spam")
@heuristic(label="spam")
def shouting(row):
    return row.text is not None and row["text"].isupper()
@heuristic()
def who(row):
    return row.vendor
@heuristic(label="spam", batch=True, reads=["n"])
def batch(frame):
    return frame["n"] < 3
@heuristic(label="ham", batch=True, reads=["flag"])
def batch_expr(frame):
    return pl.col("flag")
"""
EXPECTED = {
    "words": [1, -1, -1, 1],
    "exact": [-1, -1, -1, -1],
    "alone": [-1, -1, -1, 0],
    "pattern": [-1, -1, -1, 1],
    # NaN is greater than every number in Polars
    "big": [-1, 1, -1, 1],
    "named": [-1, 0, -1, 0],
    "always": [0, 0, 0, 0],
    "vendor": [0, -1, 1, 0],
    "flag": [0, -1, -1, 0],
    "recoded": [1, 0, -1, -1],
    "table": [1, -1, 0, -1],
    "listed": [-1, 1, -1, -1],
    "shouting": [-1, -1, -1, -1],
    "who": [0, -1, 1, 0],
    "batch": [1, -1, -1, -1],
    "batch_expr": [0, -1, -1, 0],
}


def test_every_kind_of_heuristic_votes(load, classes):
    """All kinds vote side by side, in the order of the heuristics, as int8."""
    found = load(ALL_KINDS)
    votes = cast(FRAME, list(found.values()), classes)

    assert votes.heuristics == tuple(EXPECTED)
    assert votes.matrix.dtype == np.int8
    assert {n: votes.matrix[:, i].tolist() for i, n in enumerate(EXPECTED)} == EXPECTED
    assert votes.faults == (0,) * len(EXPECTED)
    assert len(votes.seconds) == len(EXPECTED)


def test_an_empty_frame_and_no_heuristics(load, classes):
    """No rows give an empty matrix of the right width, and no heuristics one of no width."""
    found = list(load(ALL_KINDS).values())

    assert cast(FRAME.clear(), found, classes).matrix.shape == (0, len(found))
    assert cast(FRAME, [], classes).matrix.shape == (4, 0)


def test_many_classes_need_int16(load):
    """Above 127 classes the matrix is int16."""
    many = Classes(("ham", "spam", *(f"c{i}" for i in range(200))))
    h = load('last = heuristic(pl.lit("c199"))\nwords = keywords(["x"], label="ham", column="t")')

    votes = cast(pl.DataFrame({"t": ["x", "y"]}), list(h.values()), many)

    assert votes.matrix.dtype == np.int16
    assert votes.matrix.tolist() == [[201, 0], [201, -1]]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('a = heuristic(pl.lit("spma"))', "a, row 0: 'spma' is not a class.*mean 'spam'"),
        (
            '@heuristic()\ndef a(row):\n    return "hm" if row.n == 40 else None',
            "a, row 3: 'hm' is not a class.*mean 'ham'",
        ),
        ('@heuristic(label="ham")\ndef a(row):\n    return 1', "a, row 0: returned int 1.*numbers"),
        ('@heuristic(label="ham")\ndef a(row):\n    return [1]', r"row 0: returned list \[1\]"),
        ("@heuristic()\ndef a(row):\n    return True", "a says true or false, but for which"),
        ('a = heuristic(pl.col("n") > 1)', "a says true or false, but for which class"),
        ('a = heuristic(pl.col("n"), label="ham")', "a yields Float64, which is no vote"),
        ('a = heuristic(pl.col("text") + 1 > 2, label="ham")', "a cannot be evaluated on these"),
        ('a = column("domain")', "a, row 0: 'a.com' is not a class"),
        ('a = column("domain", values={"a.com": "ham"})', "a, row 1: 'b.com' is not a class"),
        ('a = lookup({1: "ham"}, column="domain")', "keys .int. are not of the type of column"),
        ('a = keywords(["x"], label="ham", column="n")', "a reads text, but column 'n' is Float64"),
        ('a = regex("x", label="ham", column="flag")', "a reads text, but column 'flag' is Bool"),
        ('a = heuristic(pl.col("txt") == "", label="ham")', "column 'txt', .* mean 'text'"),
        (
            (
                '@heuristic(label="ham", batch=True, reads=["n"])\n'
                'def a(f):\n    return f["n"].head(1) > 0'
            ),
            "one vote per row.*for 4 rows it returned 1 values",
        ),
        (
            '@heuristic(label="ham", reads=["n"])\ndef a(row):\n    open("/nowhere/at/all")',
            "a stopped with FileNotFoundError.*nothing is stored",
        ),
        (
            '@heuristic(label="ham", reads=["n"])\ndef a(row):\n    raise TimeoutError("slow")',
            "a stopped with TimeoutError: slow",
        ),
        (
            (
                'def no():\n    raise ValueError("x")\n'
                '@heuristic(label="ham", reads=["n"], resources={"r": no})\ndef a(row, r): ...'
            ),
            "a: its resource 'r' cannot be made: ValueError: x",
        ),
    ],
)
def test_what_is_no_vote_is_an_error_at_once(load, classes, source, message):
    """Nonsense is an error that names the heuristic, and the row where there is one."""
    with pytest.raises(HeuristicError, match=f"(?s){message}"):
        cast(FRAME, list(load(source).values()), classes)


def test_the_others_keep_their_votes_when_one_fails(load, classes):
    """cast_cells names the failed heuristics and returns the votes of the others."""
    h = load(
        'good = column("vendor")\nbad = column("domain")\n'
        'words = keywords(["hello"], label="ham", column="text")'
    )
    outcome = cast_cells(FRAME, list(h.values()), classes)

    assert outcome.votes.heuristics == ("good", "words")
    assert outcome.votes.matrix.tolist() == [[0, -1], [-1, 0], [1, -1], [0, -1]]
    assert [f.heuristic for f in outcome.failures] == ["bad"]


def test_an_exception_on_a_row_is_an_abstain_and_a_fault(load, classes):
    """Rows on which a heuristic raises are counted; the other rows keep their votes."""
    h = load(
        """
        @heuristic(label="ham")
        def row_wise(row):
            return 1 / (row.n - 1) < 2
        @heuristic(label="ham", batch=True, reads=["n"])
        def batch_wise(frame):
            if 1.0 in frame["n"]:
                raise ValueError("one")
            return frame["n"] > 0
        parsed = heuristic(pl.col("text").cast(pl.Int64) > 3, label="ham")
        @heuristic(label="ham")
        def leaves(row):
            raise SystemExit(row.n)
        @heuristic(label="ham")
        def mutates(row):
            row.n = 3
        @heuristic(label="ham")
        def ends(row):
            return next(iter([row.n] if row.n % 2 else [])) < 0
        """
    )
    frame = pl.DataFrame({"n": [float(i) for i in range(100)], "text": ["7", "x"] + ["1"] * 98})
    outcome = cast_cells(frame, list(h.values()), classes)

    assert outcome.votes.faults == (1, 1, 1, 100, 100, 50)
    assert outcome.first_faults[0] == "row 1: ZeroDivisionError: float division by zero"
    assert outcome.first_faults[1] == "row 1: ValueError: one"
    assert outcome.first_faults[5] == "row 0: StopIteration"
    assert str(outcome.first_faults[2]).startswith("row 1: InvalidOperationError")
    assert outcome.votes.matrix[:4].tolist() == [
        [0, -1, 0, -1, -1, -1],
        [-1, -1, -1, -1, -1, -1],
        [0, 0, -1, -1, -1, -1],
        [0, 0, -1, -1, -1, -1],
    ]


def test_too_many_faults_in_an_expression_are_faults_everywhere(load, classes):
    """The search for faulty rows ends above a twentieth of them: the heuristic is quarantined."""
    h = load('parsed = heuristic(pl.col("t").cast(pl.Int64) > 3, label="ham")')
    votes = cast(pl.DataFrame({"t": ["x"] * 50 + ["7"] * 50}), list(h.values()), classes)

    assert votes.faults == (100,)
    assert set(votes.matrix[:, 0].tolist()) == {-1}


def test_missing_columns_are_named_before_anything_is_cast(load):
    """check_columns names each heuristic and column with the nearest that there is."""
    h = load(
        'a = regex("x", label="ham", column="txet")\nb = heuristic(pl.col("m") > 1, label="ham")'
    )

    with pytest.raises(
        HeuristicError,
        match=r"a reads column 'txet', which is not there\. Did you mean 'text'\? b reads column",
    ):
        check_columns(h.values(), ["text", "n"])


def test_values_of_all_kinds_and_sizes(load, classes):
    """Bytes that are no text, empty and huge cells, zones and nested columns are all taken."""
    frame = pl.DataFrame(
        {
            "bytes": [b"spam \xff\xfe", b"spam", None],
            "cat": pl.Series(["spam", "x", None], dtype=pl.Categorical),
            "text": ["", "x" * 10_000_000 + "spam", "Straße SPAM ÖL"],
            "at": [datetime(2026, 3, 29, 1, 30, tzinfo=UTC)] * 3,
            "tags": [["spam"], [], None],
            "inner": [{"a": 1}, {"a": None}, None],
            "my col": [1, 2, 3],
            "count": [1, 2, 3],
        }
    )
    h = load(
        """
        a = keywords(["spam"], label="spam", column="bytes")
        b = keywords(["spam"], label="spam", column="cat")
        c = keywords(["spam", "öl"], label="spam", column="text")
        d = regex("^spam$", label="spam", column="cat")
        e = lookup({"x": "ham"}, column="cat")
        local = pl.col("at").dt.convert_time_zone("Europe/Berlin")
        f = heuristic(local.dt.hour() == 3, label="ham")
        @heuristic(label="ham")
        def g(row):
            row.tags.append("mine")
            return "mine" in row.tags and row["my col"] + row.count > 0
        @heuristic(label="spam")
        def i(row):
            return row.tags == ["spam"] and row.inner["a"] == 1
        @heuristic(label="ham")
        def j(row):
            return row.at.utcoffset().total_seconds() == 0
        """
    )
    votes = cast(frame, list(h.values()), classes)
    by_name = {n: votes.matrix[:, i].tolist() for i, n in enumerate(votes.heuristics)}

    assert by_name == {
        "a": [-1, 1, -1],
        "b": [1, -1, -1],
        "c": [-1, 1, 1],
        "d": [1, -1, -1],
        "e": [-1, 0, -1],
        "f": [0, 0, 0],
        "g": [0, 0, -1],
        "i": [1, -1, -1],
        "j": [0, 0, 0],
    }
    assert votes.faults == (0, 0, 0, 0, 0, 0, 1, 0, 0)


def test_resources_are_made_once(load, classes):
    """A resource's maker runs once per process, however many frames are cast."""
    h = load(
        """
        MADE = []
        def table():
            MADE.append(1)
            return {"hello": True}
        @heuristic(label="ham", resources={"known": table, "limit": 2})
        def known(row, known, limit):
            return known.get(row.text, False) and len(MADE) < limit
        """
    )
    for _ in range(3):
        assert cast(FRAME, list(h.values()), classes).matrix[:, 0].tolist() == [-1, 0, -1, -1]


def test_a_model_is_loaded_once_and_sees_batches(load, classes):
    """A model votes by class names or, with a label, by truth values."""
    h = load(
        """
        LOADED = []
        def load_(uri):
            LOADED.append(uri)
            return 2.0
        def predict(model, frame):
            return [None if n is None else n > model and len(LOADED) == 1 for n in frame["n"]]
        m = model("models:/spam/3", predict, load=load_, label="spam", reads=["n"])
        """
    )
    for _ in range(2):
        assert cast(FRAME, list(h.values()), classes).matrix[:, 0].tolist() == [-1, -1, -1, 1]


def test_snorkel_functions_run_with_their_preprocessors(load, classes):
    """Integers stand for the classes given; preprocessors may change the row they get."""
    h = load(
        """
        import copy
        def lower(row):
            row = copy.deepcopy(row)
            row.text = (row.text or "").lower()
            return row
        class LabelingFunction:
            def __init__(self, function, pre=()):
                self.name, self._f, self._pre, self._resources = "lf", function, pre, {}
            def __call__(self, row):
                for prepare in self._pre:
                    row = prepare(row)
                return self._f(row)
        def text(row):
            return 1 if row["text"].startswith("check") else -1
        a = from_snorkel(LabelingFunction(text), ["ham", "spam"])
        b = from_snorkel(LabelingFunction(text, [lower]), {0: "spam", 1: "ham"})
        """
    )
    votes = cast(FRAME, list(h.values()), classes)

    assert votes.matrix.tolist() == [[-1, -1], [-1, -1], [-1, -1], [-1, 0]]
    assert votes.faults == (1, 0)


@pytest.mark.parametrize("value", [7, None, "spam", 0.5])
def test_a_snorkel_function_must_stay_within_its_classes(load, classes, value):
    """Integers without a class, and what is no integer, are errors."""
    h = load(
        f"""
        class LabelingFunction:
            name, _pre, _resources = "lf", (), {{}}
            def _f(self, row): return {value!r}
            def __call__(self, row): return self._f(row)
        a = from_snorkel(LabelingFunction(), ["ham", "spam"])
        """
    )

    with pytest.raises(HeuristicError, match="a, row 0: the Snorkel function returned"):
        cast(FRAME, list(h.values()), classes)


def test_rows_give_values_by_name():
    """A row has attributes, items, get, keys and items, even for awkward column names."""
    row = row_type(("text", "index", "a b"))(("x", 1, 2))

    assert (row.text, row.index, row["a b"], row["text"]) == ("x", 1, 2, "x")
    assert ("text" in row, "x" in row, row.get("no", 5), row.get("text")) == (True, False, 5, "x")
    assert dict(row.items()) == {"text": "x", "index": 1, "a b": 2}
    assert repr(row) == "Row(text='x', index=1, a b=2)"
    with pytest.raises(KeyError, match="the row has text, index, a b"):
        row["no"]
    with pytest.raises(AttributeError):
        row.text = "y"
    with pytest.raises(AttributeError):
        row.new = "y"


ALPHABET = st.text(alphabet="abAB_é ßΣİ0\n", max_size=12)


@pytest.mark.parametrize("few_words", [0, 20])
@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(st.none() | ALPHABET, max_size=8),
    words=st.lists(ALPHABET.filter(bool), min_size=1, max_size=4),
    ignore_case=st.booleans(),
)
def test_keywords_are_found_as_python_finds_them(few_words, texts, words, ignore_case):
    """The scan votes where `word in text` holds, both lower-cased where case is ignored."""
    rule = keywords(words, label="spam", column="t", ignore_case=ignore_case)
    heuristics = unbundled({"k": rule}, Classes(("ham", "spam")))
    frame = pl.DataFrame({"t": texts}, schema={"t": pl.String})
    with patch.object(casting, "FEW_WORDS", few_words):
        votes = cast(frame, heuristics, Classes(("ham", "spam"))).matrix[:, 0]

    def treat(text: str) -> str:
        return text.lower() if ignore_case else text

    expected = [
        1 if text is not None and any(treat(w) in treat(text) for w in words) else -1
        for text in texts
    ]
    assert votes.tolist() == expected


def test_a_large_list_takes_the_library_s_automaton_and_gives_the_same():
    """Beyond the states that fit the cache another automaton scans; the votes are equal."""
    words = [f"w{i:05}x" for i in range(12_000)]
    rules = {"k": keywords(words, label="spam", column="t")}
    frame = pl.DataFrame({"t": ["a W00017X b", "w0001", None, "w11999x", "ÄW00001X"]})
    classes = Classes(("ham", "spam"))

    assert isinstance(
        keyword_scan.scanners((rules["k"].rule,))[0].automaton, ahocorasick_rs.BytesAhoCorasick
    )
    assert cast(frame, unbundled(rules, classes), classes).matrix[:, 0].tolist() == [
        1,
        -1,
        -1,
        1,
        1,
    ]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_votes_depend_on_neither_partitioning_nor_order(data):
    """Any permutation cut into any partitions gets the votes of the whole."""
    classes = Classes(("ham", "spam"))
    heuristics = unbundled(
        {
            "k": keywords(["ab", "b a"], label="spam", column="t"),
            "r": regex("^a+b?$", label="ham", column="t"),
            "e": heuristic(pl.col("n") > 2, label="ham"),
            "l": lookup({1: "ham", 2: "spam"}, column="n"),
            "f": heuristic(lambda row: row.t[row.n] == "a", label="spam", reads=["t", "n"]),
        },
        classes,
    )
    rows = data.draw(
        st.lists(
            st.tuples(st.none() | st.text(alphabet="ab ", max_size=5), st.integers(0, 4)),
            max_size=12,
        )
    )
    frame = pl.DataFrame(rows, schema={"t": pl.String, "n": pl.Int64}, orient="row")
    order = data.draw(st.permutations(range(len(rows))))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(rows)), max_size=3)))
    whole = cast(frame, heuristics, classes)
    parts = [
        cast(frame[order[start:end]], heuristics, classes)
        for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)
    ]

    assert np.array_equal(np.concatenate([p.matrix for p in parts]), whole.matrix[order])
    assert tuple(map(sum, zip(*(p.faults for p in parts), strict=True))) == whole.faults


def test_simple_namespace_is_no_row():
    """Snorkel's preprocessors get a namespace that they may change."""
    row = OpenRow(text="x")
    row["text"] = "y"
    assert isinstance(row, SimpleNamespace)
    assert (row.text, row["text"], "text" in row) == ("y", "y", True)
