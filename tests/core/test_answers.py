"""Of everything that came back, one answer per row counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from labelpress.answers import agree, answers_awaited, ask_states, open_asks
from labelpress.asks import ExpertsSettings, answers_wanted, ask_id, within_budget
from labelpress.classes import Classes
from labelpress.tables.schemas import ANSWERS, ASKS

CLASSES = Classes(("ham", "spam"))
START = datetime(2026, 3, 2, tzinfo=UTC)
ALONE = ExpertsSettings()
SHARED = ExpertsSettings(annotators=2, shared=1.0)


def asks(*rows):
    """Return asks, each given as (ask, row)."""
    filled = [
        {
            "ask_id": ask,
            "row_id": row,
            "stratum": "audit",
            "reserved": True,
            "propensity": 0.5,
            "expires": START + timedelta(days=28),
        }
        for ask, row in rows
    ]
    return pl.DataFrame(filled, schema=ASKS)


def answers(*rows):
    """Return answers, each given as (ask, annotator, label), later ones later."""
    filled = [
        {
            "ask_id": ask,
            "annotator": who,
            "label": label,
            "simulated": who == "oracle",
            "answered": START + timedelta(minutes=place),
            "imported": START + timedelta(minutes=place),
        }
        for place, (ask, who, label) in enumerate(rows)
    ]
    return pl.DataFrame(filled, schema=ANSWERS)


def test_the_last_answer_of_an_annotator_counts():
    """A correction replaces what it corrects."""
    rows, annotators = agree(
        asks(("q1", "r1")), answers(("q1", "ann", "ham"), ("q1", "ann", "spam")), CLASSES
    )

    assert rows.select("row_id", "code", "annotators").rows() == [("r1", 1, 1)]
    assert [(one.name, one.answers) for one in annotators] == [("ann", 1)]


def test_a_skipped_ask_is_no_answer():
    """Nor is a label that is no class any more."""
    rows, annotators = agree(
        asks(("q1", "r1"), ("q2", "r2")),
        answers(("q1", "ann", None), ("q2", "ann", "eggs")),
        CLASSES,
    )

    assert (rows.height, annotators) == (0, ())


def test_an_answer_is_as_simulated_as_those_who_say_the_same():
    """And as late; whoever disagrees is counted among the annotators."""
    rows, _ = agree(
        asks(("q1", "r1")),
        answers(("q1", "oracle", "ham"), ("q1", "ann", "spam"), ("q1", "bob", "spam")),
        CLASSES,
    )

    found = rows.row(0, named=True)
    assert (found["code"], found["annotators"], found["simulated"]) == (1, 3, False)
    assert found["answered"] == START + timedelta(minutes=2)


def test_of_two_asks_for_a_row_the_one_answered_last_counts():
    """As long as both are about the same content."""
    rows, _ = agree(
        asks(("q1", "r1"), ("q2", "r1")),
        answers(("q2", "ann", "ham"), ("q1", "bob", "spam")),
        CLASSES,
    )

    assert rows.select("row_id", "code").rows() == [("r1", 1)]


def test_a_late_answer_about_the_old_content_does_not_hide_that_about_the_new():
    """Which of them is the row's is for whoever reads the source to say."""
    put = asks(("q1", "r1"), ("q2", "r1")).with_columns(row_hash=pl.Series(["old", "new"]))

    rows, _ = agree(put, answers(("q2", "ann", "ham"), ("q1", "bob", "spam")), CLASSES)

    assert rows.select("row_hash", "code").rows() == [("new", 0), ("old", 1)]


def test_an_ask_is_open_until_it_is_answered_skipped_or_expired():
    """Only open asks are put before anybody."""
    put = asks(("q1", "r1"), ("q2", "r2"), ("q3", "r3"))
    came = answers(("q1", "ann", "ham"), ("q2", "ann", None))

    assert open_asks(put, came, START, ALONE)["ask_id"].to_list() == ["q3"]
    assert open_asks(put, came, START + timedelta(days=30), ALONE).height == 0


def test_an_ask_whose_row_changed_or_left_is_superseded():
    """Unless it was answered or has expired before."""
    put = asks(("q1", "r1"), ("q2", "r2"), ("q3", "r3"), ("q4", "r4")).with_columns(
        row_hash=pl.lit("old"),
        expires=pl.Series([START + timedelta(days=days) for days in (28, 28, 28, -1)]),
    )
    now = pl.DataFrame({"row_id": ["r1", "r3"], "row_hash": ["old", "new"]})

    states = ask_states(put, answers(("q2", "ann", "ham")), START, ALONE, now)

    assert states.to_list() == ["open", "answered", "superseded", "expired"]


def test_a_shared_ask_is_open_until_as_many_people_have_answered_as_it_wants():
    """The same person twice is one; an oracle is enough by itself."""
    put = asks(("a1", "r1"), ("a2", "r2"), ("a3", "r3"), ("a4", "r4"))
    came = answers(
        ("a1", "ann", "ham"),
        ("a1", "bob", None),
        ("a2", "ann", "ham"),
        ("a2", "ann", "spam"),
        ("a3", "oracle", "ham"),
    )

    waiting = open_asks(put, came, START, SHARED)

    assert waiting["ask_id"].to_list() == ["a2", "a4"]
    assert answers_awaited(waiting, came, SHARED) == 3


def test_which_asks_are_shared_is_in_their_ids():
    """About the declared share, the same ones in every process, and more of them with more."""
    ids = pl.Series("ask_id", [ask_id("project", "batch", str(n), "h") for n in range(2000)])
    tenth, half = (
        answers_wanted(ids, ExpertsSettings(annotators=3, shared=share)) for share in (0.1, 0.5)
    )

    assert set(tenth) == {1, 3}
    assert 150 < (tenth == 3).sum() < 250
    assert (half >= tenth).all()


def test_shared_asks_stay_within_the_budget():
    """The last ones are left out where all want more answers than there is budget for."""
    put = asks(*((ask_id("p", "b", str(n), "h"), str(n)) for n in range(10)))

    assert within_budget(put, SHARED, 7).height == 3
    assert within_budget(put, ALONE, 7).height == 7


def test_a_recheck_corrects_the_answer_and_keeps_why_the_row_was_asked():
    """An audit that is looked at again is still an audit, with its propensity."""
    put = asks(("q1", "r1"), ("q2", "r1")).with_columns(
        row_hash=pl.lit("h"),
        stratum=pl.Series(["audit", "recheck"]),
        propensity=pl.Series([0.5, 1.0]),
        created=pl.Series([START, START + timedelta(days=7)]).cast(ASKS["created"]),
    )

    rows, _ = agree(put, answers(("q1", "ann", "ham"), ("q2", "bob", "spam")), CLASSES)

    assert rows.select("code", "stratum", "propensity").rows() == [(1, "audit", 0.5)]
