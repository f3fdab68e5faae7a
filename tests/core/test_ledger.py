"""The ledger: every kind of cost has its rate, and what was not spent is never added to it."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from labelpress.ledger import (
    GIB,
    CostsSettings,
    Spend,
    baseline_entry,
    compute_entries,
    expert_entries,
    sum_costs,
    to_frame,
)

RATES = CostsSettings(
    expert_usd_per_hour=60,
    core_usd_per_hour=36,
    read_usd_per_gib=0.5,
    storage_usd_per_gib_month=0.25,
    storage_months=4,
    model_usd_per_call={"judge": 0.002},
)


def frame(entries):
    """Return entries as the ledger keeps them."""
    return to_frame(entries, datetime(2026, 3, 2, tzinfo=UTC))


def priced(spend, rates=RATES):
    """Return the ledger rows of a stage."""
    return frame(compute_entries("run", "2026-03-02", 1, spend, rates))


def usd_of(ledger, what):
    """Return what all rows of a kind cost together."""
    return ledger.filter(pl.col("what") == what)["usd"].sum()


def test_each_kind_has_its_rate():
    """CPU seconds, bytes read, bytes stored for so many months, and calls of a model."""
    spend = Spend(
        stage="vote",
        wall_seconds=9.0,
        worker_seconds=90.0,
        flow_seconds=10.0,
        model_calls={"judge": 500},
        bytes_read=int(2 * GIB),
        bytes_written=int(3 * GIB),
    )

    ledger = priced(spend)

    assert usd_of(ledger, "worker seconds") == pytest.approx(1.0)
    assert usd_of(ledger, "bytes read") == pytest.approx(1.0)
    assert usd_of(ledger, "bytes stored") == pytest.approx(3.0)
    assert usd_of(ledger, "model calls") == pytest.approx(1.0)
    costs = sum_costs(ledger)
    assert costs.compute_usd == costs.total_usd == pytest.approx(6.0)


def test_what_can_be_told_apart_is_booked_for_its_heuristic():
    """Casting and calls by heuristic, the rest for the stage; the seconds add up to what was."""
    spend = Spend(
        stage="vote",
        wall_seconds=9.0,
        worker_seconds=10.0,
        flow_seconds=1.0,
        heuristic_seconds={"judge": 3.0, "short": 4.0},
        model_calls={"judge": 7},
    )

    ledger = priced(spend)

    seconds = ledger.filter(pl.col("what") == "worker seconds")
    assert dict(seconds.select("heuristic", "quantity").iter_rows()) == {
        "judge": 3.0,
        "short": 4.0,
        None: 4.0,
    }
    calls = ledger.filter(pl.col("what") == "model calls")
    assert calls.select("heuristic", "quantity", "unit").rows() == [("judge", 7.0, "calls")]


def test_a_model_without_a_price_is_counted_all_the_same():
    """Its calls stand in the ledger with 0 USD."""
    spend = Spend("vote", 1.0, model_calls={"local": 9})

    (row,) = priced(spend).filter(pl.col("what") == "model calls").to_dicts()

    assert (row["quantity"], row["usd"], row["basis"]) == (9.0, 0.0, "measured")


def test_savings_and_the_baseline_are_never_spending():
    """What reuse saved and what hand-labelling would have cost stand beside the total."""
    spend = Spend("vote", 1.0, worker_seconds=100.0, saved_seconds=200.0)
    hand = baseline_entry("run", "2026-03-02", 1, 60, RATES, 30.0)

    costs = sum_costs(pl.concat([priced(spend), frame([hand])]))

    assert costs.total_usd == pytest.approx(1.0)
    assert (costs.saved_usd, costs.hand_usd) == pytest.approx((2.0, 30.0))


def test_expert_minutes_are_booked_by_why_and_by_how_they_are_known():
    """Measured seconds as measured, else the project's; rechecks are rework."""
    answers = pl.DataFrame(
        [
            ("audit", 30.0, "measured"),
            ("audit", None, "measured"),
            ("recheck", 90.0, "declared"),
        ],
        schema=["stratum", "seconds", "seconds_source"],
        orient="row",
    )

    ledger = frame(expert_entries("run", "2026-03-02", 1, answers, RATES, 60.0))

    paid = ledger.filter(pl.col("unit") == "min")
    assert paid.select("stratum", "what", "quantity", "usd", "basis").rows() == [
        ("audit", "expert minutes", 0.5, 0.5, "measured"),
        ("audit", "expert minutes", 1.0, 1.0, "modelled"),
        ("recheck", "rework", 1.5, 1.5, "declared"),
    ]
    assert ledger.filter(pl.col("what") == "answers")["quantity"].sum() == 3
    assert sum_costs(ledger).expert_usd == pytest.approx(3.0)
