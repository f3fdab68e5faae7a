"""Profit and loss: what a heuristic adds is what goes without it, and advice has evidence."""

from __future__ import annotations

import io
import json

import polars as pl
import pytest
from rich.console import Console

from labelpress.cli.weighing import print_profit, show_profit
from labelpress.errors import LabelpressError
from labelpress.manifest import HeuristicNote
from labelpress.profit import advise, weigh_heuristics
from labelpress.tables.schemas import LEDGER

NOTE = HeuristicNote("h", "f", "regex", "spam", None, None, "", precision=0.9)
USUAL = {"votes": 0.2, "changed": 5, "gain": (0.01, 0.01), "cast": 20, "right": 18, "drift": ""}


@pytest.mark.parametrize(
    ("facts", "advice", "evidence"),
    [
        ({}, "keep", "5 labels would be others, or none, without it; 18 of its 20 audited"),
        ({"cast": 0, "right": 0}, "keep", "no audit judges it"),
        ({"votes": 0.0}, "retire", "never votes"),
        ({"changed": 0}, "retire", "No label would be another"),
        ({"gain": (-0.03, 0.01)}, "retire", "3.00% more of the rows would be right"),
        ({"gain": (-0.03, 0.02)}, "keep", "5 labels"),  # within chance
        ({"drift": "h drifts."}, "fix", "h drifts."),
        ({"right": 8}, "fix", "8 of its 20 audited votes are right (22% to 61%), its author"),
        ({"cast": 9, "right": 0}, "keep", "0 of its 9"),  # too few to judge
    ],
)
def test_advice(facts, advice, evidence):
    """The first rule that holds, in a sentence."""
    found, sentence = advise(NOTE, **USUAL | facts)

    assert found == advice
    assert evidence in sentence


def test_what_a_heuristic_adds_is_what_goes_without_it(project, cluster):
    """Three rows have a label only by `begging`; they alone hang on it."""
    project.print(cluster)
    project.record(project.print(cluster, "2026-03-09"))
    found = {one.heuristic: one for one in weigh_heuristics(project.store)}

    assert found["begging"].changed == 3
    assert found["begging"].period == "2026-03-09"
    assert found["begging"].audits >= found["begging"].votes_audited
    assert found["begging"].answers_saved == pytest.approx(found["begging"].gain * 12)

    later = {"period": "2026-03-09", "heuristic": "begging", "unit": "s", "usd": 9.0}
    booked = pl.DataFrame([dict.fromkeys(LEDGER) | later], schema=LEDGER)
    project.store.ledger.append(booked, batch="printed once more")
    again = {one.heuristic: one for one in weigh_heuristics(project.store)}
    assert again == found  # what was booked later is not of this version


def test_counts_that_are_gone_are_said_to_be(project, cluster):
    """Rather than weighing heuristics by nothing."""
    run = project.print(cluster).run.id
    for name in ("patterns", "sample"):
        (project.path / "store" / "runs" / run / f"{name}.parquet").unlink()

    with pytest.raises(LabelpressError, match=r"vote patterns of label version 1 .* are gone"):
        weigh_heuristics(project.store)


def test_the_command_prints_both_ways(project, cluster):
    """A table, and the same as JSON."""
    project.print(cluster)
    out, plain = (Console(file=io.StringIO(), width=200) for _ in range(2))
    show_profit(str(project.path), None, out)
    print_profit(str(project.path), None, plain)

    found = json.loads(plain.file.getvalue())
    assert [one["heuristic"] for one in found] == ["begging", "short", "starred", "shouting"]
    assert "begging" in out.file.getvalue()
