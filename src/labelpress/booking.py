"""
Booking: what was spent enters the ledger once, in the books that are open.

The books of a period stay open until a later period is recorded. What a run of an earlier period
spent and nobody has booked (it crashed, or spent it while it wrote its record) is booked under its
own run, in the period that books it. So the sums of a past period never change after its report
has been written.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labelpress.ledger import STAGES, baseline_entry, compute_entries, expert_entries, to_frame
from labelpress.runs import read_spend, run_ids
from labelpress.tables.schemas import LEDGER

if TYPE_CHECKING:
    import polars as pl

    from labelpress.manifest import Manifest
    from labelpress.runs import Run

EXPERT_BATCH = "expert-answers"


def book(run: Run, manifest: Manifest) -> None:
    """Book every stage of every run that is not yet in the ledger, and every answer, once."""
    booked = set(run.store.ledger.read().select("run", "stage").unique().iter_rows())
    batches: dict[tuple[str, int], pl.DataFrame] = {}
    for other in run_ids(run.store):
        # The record stage is the last: a run that has it in the ledger has nothing left to book.
        if (other, "record") not in booked:
            batches |= _of_run(other, run, manifest)
    batches |= _of_answers(run, manifest) | _of_baseline(run, manifest)
    run.store.ledger.append_all(batches)


def _of_run(other: str, run: Run, manifest: Manifest) -> dict[tuple[str, int], pl.DataFrame]:
    printing = manifest.printing if other in {manifest.run, run.id} else None
    rates, now = run.project.settings.costs, datetime.now(UTC)
    spent = {stage: read_spend(run.store, other, stage) for stage in STAGES}
    return {
        (f"spend:{other}:{stage}", 1): to_frame(
            compute_entries(other, manifest.period, printing, spend, rates), now
        )
        for stage, spend in spent.items()
        if spend is not None
    }


def _of_answers(run: Run, manifest: Manifest) -> dict[tuple[str, int], pl.DataFrame]:
    settings, version = run.project.settings, run.store.answers.version()
    if version is None:
        return {}
    asked = run.store.asks.read().select("ask_id", "stratum").unique("ask_id")
    entries = expert_entries(
        manifest.run,
        manifest.period,
        manifest.printing,
        _unbooked_answers(run, version).join(asked, on="ask_id", how="left"),
        settings.costs,
        settings.experts.seconds_per_answer,
    )
    # Delta counts versions from 0, and a batch number of 0 cannot be told from none.
    frame = to_frame(entries, datetime.now(UTC)) if entries else LEDGER.to_frame()
    return {(EXPERT_BATCH, version + 1): frame}


def _unbooked_answers(run: Run, version: int) -> pl.DataFrame:
    booked = run.store.ledger.last(EXPERT_BATCH)
    answers = run.store.answers.read(version)
    if booked is None:
        return answers
    before = run.store.answers.read(booked - 1)
    return answers.join(before, on=["ask_id", "annotator", "imported"], how="anti")


def _of_baseline(run: Run, manifest: Manifest) -> dict[tuple[str, int], pl.DataFrame]:
    settings = run.project.settings
    fresh = manifest.new_rows
    if not fresh:
        return {}
    entry = baseline_entry(
        manifest.run,
        manifest.period,
        manifest.printing,
        fresh,
        settings.costs,
        settings.experts.seconds_per_answer,
    )
    return {(f"hand:{manifest.run}", 1): to_frame([entry], datetime.now(UTC))}
