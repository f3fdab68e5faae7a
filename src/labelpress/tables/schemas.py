"""The columns of the event tables, as Polars schemas; every time is UTC."""

from __future__ import annotations

import polars as pl

_TIME = pl.Datetime("us", "UTC")

ASKS = pl.Schema(
    {
        "ask_id": pl.String(),
        "row_id": pl.String(),
        "part": pl.String(),
        "partition": pl.String(),  # the partition's digest when the row was asked
        "row_hash": pl.String(),
        "stratum": pl.String(),  # audit | anchor | uncertain | uncovered | changed | recheck
        "reserved": pl.Boolean(),  # an audit that certifies and never teaches
        "propensity": pl.Float64(),  # probability with which the row was drawn
        "cohort": pl.String(),
        "reason": pl.String(),
        "period": pl.String(),
        "label_version": pl.Int64(),  # null before the first printing
        "expires": _TIME,
        "created": _TIME,
    }
)
"""Rows put before experts."""

ANSWERS = pl.Schema(
    {
        "ask_id": pl.String(),
        "row_id": pl.String(),
        "row_hash": pl.String(),
        "label": pl.String(),  # null: skipped
        "annotator": pl.String(),
        "seconds": pl.Float64(),  # null: nobody measured or declared it
        "seconds_source": pl.String(),  # measured | declared | modelled
        "rationale": pl.String(),
        "tool": pl.String(),
        "simulated": pl.Boolean(),
        "answered": _TIME,
        "imported": _TIME,
    }
)
"""What came back from experts."""

LEDGER = pl.Schema(
    {
        "run": pl.String(),
        "period": pl.String(),  # the one in whose books it stands
        "printing": pl.Int32(),  # null: nothing was printed
        "stage": pl.String(),
        "heuristic": pl.String(),  # null: the whole stage
        "stratum": pl.String(),  # of answers: why they were asked for
        "what": pl.String(),
        "quantity": pl.Float64(),
        "unit": pl.String(),
        "usd": pl.Float64(),
        "basis": pl.String(),  # measured | declared | modelled
        "counted_as": pl.String(),  # spent | saved | baseline
        "booked": _TIME,
    }
)
"""What was spent, what reuse saved, and what hand-labelling would have cost."""

DECISIONS = pl.Schema(
    {
        "decision_id": pl.String(),
        "kind": pl.String(),  # promote | rollback | hold | lift | champion | challenger | ...
        "label_version": pl.Int64(),
        "run": pl.String(),
        "model": pl.String(),
        "who": pl.String(),
        "why": pl.String(),
        "at": _TIME,
    }
)
"""What people, and the promote stage, decided."""
