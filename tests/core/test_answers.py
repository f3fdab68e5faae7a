"""Of everything that came back, one answer per row counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from labelpress.answers import agree, open_asks
from labelpress.classes import Classes
from labelpress.tables.schemas import ANSWERS, ASKS

CLASSES = Classes(("ham", "spam"))
START = datetime(2026, 3, 2, tzinfo=UTC)


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
    """A changed row may be asked again."""
    rows, _ = agree(
        asks(("q1", "r1"), ("q2", "r1")),
        answers(("q2", "ann", "ham"), ("q1", "bob", "spam")),
        CLASSES,
    )

    assert rows.select("row_id", "code").rows() == [("r1", 1)]


def test_an_ask_is_open_until_it_is_answered_skipped_or_expired():
    """Only open asks are put before anybody."""
    put = asks(("q1", "r1"), ("q2", "r2"), ("q3", "r3"))
    came = answers(("q1", "ann", "ham"), ("q2", "ann", None))

    assert open_asks(put, came, START)["ask_id"].to_list() == ["q3"]
    assert open_asks(put, came, START + timedelta(days=30)).height == 0


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
