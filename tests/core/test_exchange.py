"""Answers in from files, also from our own export, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from labelpress.classes import Classes
from labelpress.exchange import sort_out
from labelpress.tables.schemas import ANSWERS, ASKS

NOW = datetime(2026, 3, 2, tzinfo=UTC)
CLASSES = Classes(("ham", "spam"))


def _asks():
    rows = [{"ask_id": name, "row_id": f"r-{name}", "row_hash": "00"} for name in ("a", "b", "c")]
    return pl.DataFrame(rows, schema=ASKS)


def _lines(*rows):
    names = ("ask_id", "label", "annotator")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def test_an_export_that_was_filled_in_is_taken():
    """Its other columns, named like ours or not, are left alone."""
    export = _lines(("a", "spam", "ada")).with_columns(
        pl.lit("drawn at random").alias("reason"), pl.lit("r-a").alias("row_id")
    )

    taken, refused = sort_out(export, _asks(), ANSWERS.to_frame(), CLASSES, NOW)

    assert taken.select("ask_id", "row_id", "label", "annotator").rows() == [
        ("a", "r-a", "spam", "ada")
    ]
    assert refused.height == 0


def test_each_refused_line_says_why():
    """By its number in the file, with what it said."""
    lines = _lines(
        ("a", "spam", "ada"),
        ("x", "spam", "ada"),
        ("b", "spma", "ada"),
        ("c", "ham", ""),
        ("a", "ham", "ada"),
    )

    taken, refused = sort_out(lines, _asks(), ANSWERS.to_frame(), CLASSES, NOW)

    assert taken["ask_id"].to_list() == ["a"]
    assert refused.select("line", "refused").rows() == [
        (2, "no such ask in this project"),
        (3, "no such class"),
        (4, "no annotator"),
        (5, "twice in this file"),
    ]


def test_a_file_imported_twice_changes_nothing():
    """An annotator answers an ask once."""
    lines = _lines(("a", "spam", "ada"))
    taken, _ = sort_out(lines, _asks(), ANSWERS.to_frame(), CLASSES, NOW)

    again, refused = sort_out(lines, _asks(), taken, CLASSES, NOW)

    assert again.height == 0
    assert refused["refused"].to_list() == ["taken before"]
