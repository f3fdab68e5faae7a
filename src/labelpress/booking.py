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
    for other in run_ids(run.store):
        # The record stage is the last: a run that has it in the ledger has nothing left to book.
        if (other, "record") not in booked:
            _book_run(other, run, manifest)
    _book_answers(run, manifest)
    _book_baseline(run, manifest)


def _book_run(other: str, run: Run, manifest: Manifest) -> None:
    for stage in STAGES:
        spend = read_spend(run.store, other, stage)
        batch = f"spend:{other}:{stage}"
        if spend is None or run.store.ledger.has(batch):
            continue
        printing = manifest.printing if other in {manifest.run, run.id} else None
        rates = run.project.settings.costs
        entries = compute_entries(other, manifest.period, printing, spend, rates)
        run.store.ledger.append(to_frame(entries, datetime.now(UTC)), batch)


def _book_answers(run: Run, manifest: Manifest) -> None:
    settings, ledger = run.project.settings, run.store.ledger
    version = run.store.answers.version()
    if version is None or ledger.has(EXPERT_BATCH, version + 1):
        return
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
    ledger.append(frame, EXPERT_BATCH, version + 1)


def _unbooked_answers(run: Run, version: int) -> pl.DataFrame:
    booked = run.store.ledger.last(EXPERT_BATCH)
    answers = run.store.answers.read(version)
    if booked is None:
        return answers
    before = run.store.answers.read(booked - 1)
    return answers.join(before, on=["ask_id", "annotator", "imported"], how="anti")


def _book_baseline(run: Run, manifest: Manifest) -> None:
    settings = run.project.settings
    fresh = sum(entry.change.new for entry in manifest.entries)
    if manifest.base_version is None:
        fresh = manifest.rows
    if fresh:
        entry = baseline_entry(
            manifest.run,
            manifest.period,
            manifest.printing,
            fresh,
            settings.costs,
            settings.experts.seconds_per_answer,
        )
        run.store.ledger.append(to_frame([entry], datetime.now(UTC)), f"hand:{manifest.run}")
