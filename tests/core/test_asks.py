"""Asks: how the budget of a period is spent."""

from __future__ import annotations

import numpy as np
import polars as pl

from labelpress.asks import ExpertsSettings, ask_id, choose_asks, recheck_worth
from labelpress.candidates import merge_candidates, pick_candidates


def many_rows(count):
    """Return rows of which every fifth is uncovered and every fourth has a little known vote."""
    return pl.DataFrame(
        {
            "row_id": range(count),
            "row_hash": pl.Series(range(count), dtype=pl.UInt64),
            "random": [(n * 37 % count) / count for n in range(count)],
            "margin": [n % 10 / 10 for n in range(count)],
            "n_votes": [n % 5 for n in range(count)],
            "heuristic": ["rare" if n % 4 == 1 else None for n in range(count)],
        }
    ).with_columns(
        part=pl.lit("a"),
        partition=pl.lit("d"),
        cohort=pl.lit("new"),
        changed=pl.lit(value=False),
        disputed=pl.lit(None, pl.Float64),
        label=pl.lit("ham"),
        askable=pl.lit(value=True),
    )


def asked(settings, **how):
    """Choose among two hundred rows that came as two partitions."""
    rows = many_rows(200)
    parts = [pick_candidates(half, 40) for half in (rows.head(90), rows.tail(110))]
    how = {"seed": 0, "satisfied": False, "held": False} | how
    return choose_asks(merge_candidates(parts, 40), settings, {}, **how)


def test_partitions_choose_the_same_rows_together_as_one_table():
    """Where a file is split changes no ask."""
    settings = ExpertsSettings(budget=40)
    whole = merge_candidates([pick_candidates(many_rows(200), 40)], 40)

    assert asked(settings).equals(
        choose_asks(whole, settings, {}, seed=0, satisfied=False, held=False)
    )


def test_rows_that_the_champion_disputes_share_the_uncertain_stratum():
    """Half of what is asked by score, the surest first; they say why they are asked."""
    rows = many_rows(200).with_columns(
        disputed=pl.when(pl.col("row_id") % 50 == 7).then(pl.col("row_id") / 200)
    )
    settings = ExpertsSettings(budget=12, reserved_share=0.0, split={"uncertain": 1.0})
    candidates = merge_candidates([pick_candidates(rows, 40)], 40)

    asks = choose_asks(candidates, settings, {}, seed=0, satisfied=False, held=False)

    disputed = asks.filter(pl.col("reason").str.contains("champion"))
    assert disputed["row_id"].to_list() == ["157", "107", "57", "7"]
    random = asks.filter(pl.col("reason").str.contains("random among"))
    assert random.height == 3
    assert disputed["stratum"].unique().to_list() == ["uncertain"]
    assert asks.height == asks["row_id"].n_unique() == 12


def test_the_budget_is_split_by_itself_or_as_declared():
    """Reserved audits come off first; no row is asked twice, and each says why."""
    aims = {"anchor": 0.2, "uncovered": 0.1, "uncertain": 0.2}
    by_itself = asked(ExpertsSettings(budget=40, reserved_share=0.25), aims=aims)
    declared = asked(ExpertsSettings(budget=40, reserved_share=0.25, split={"anchor": 1.0}))

    assert dict(by_itself.group_by("stratum").len().iter_rows()) == {
        "audit": 25,
        "anchor": 6,
        "uncovered": 3,
        "uncertain": 6,
    }
    assert dict(declared.group_by("stratum").len().iter_rows()) == {"audit": 10, "anchor": 30}
    assert by_itself["row_id"].n_unique() == 40
    anchor = declared.filter(pl.col("stratum") == "anchor").row(0, named=True)
    assert anchor["reason"] == "few answers say how often the heuristic rare is right"
    assert anchor["propensity"] == 30 / 50


def test_without_aims_all_asks_are_audits():
    """As before the first answer, when nothing is known of where the mistakes are."""
    found = asked(ExpertsSettings(budget=40, reserved_share=0.25))

    assert found["stratum"].to_list() == ["audit"] * 40


def test_a_held_candidate_takes_half_for_the_rows_that_it_would_change():
    """Whatever the aims."""
    rows = many_rows(200).with_columns(changed=pl.col("row_id") < 60)
    settings = ExpertsSettings(budget=40, reserved_share=0.25)

    asks = choose_asks(
        pick_candidates(rows, 40),
        settings,
        {},
        seed=0,
        satisfied=False,
        held=True,
        aims={"anchor": 0.5},
    )

    assert dict(asks.group_by("stratum").len().iter_rows()) == {"audit": 25, "changed": 15}


def test_what_a_stratum_has_too_few_rows_for_is_spent_on_audits():
    """The whole budget is asked, and each audit's propensity counts the audits that came so."""
    rows = many_rows(200).filter((pl.col("n_votes") > 0) | (pl.col("row_id") < 50))
    split = {"audit": 0.2, "uncovered": 0.4, "anchor": 0.4}
    settings = ExpertsSettings(budget=100, reserved_share=0.1, split=split)

    asks = choose_asks(
        pick_candidates(rows, 100), settings, {}, seed=0, satisfied=False, held=False
    )

    audits = asks.filter(pl.col("stratum") == "audit")
    assert asks.height == asks["row_id"].n_unique() == 100
    assert audits["reserved"].sum() == 10
    assert audits.height > 10 + 18
    assert audits["propensity"].unique().to_list() == [audits.height / rows.height]


def test_a_reached_target_leaves_the_reserved_audits():
    """They go on watching whether it stays reached."""
    found = asked(ExpertsSettings(budget=40, reserved_share=0.25), satisfied=True)

    assert (found.height, found["reserved"].all()) == (10, True)


def test_an_ask_id_is_of_one_project_and_no_number():
    """Two projects may label the same rows; a spreadsheet would round a number."""
    ids = {ask_id(project, "v1", "row", "00") for project in ("one", "two")}

    assert len(ids) == 2
    assert ask_id("one", "v1", "row", "00") in ids
    assert all(name.startswith("a") and len(name) == 21 for name in ids)


def test_rechecks_that_correct_nothing_are_worth_little():
    """All of them while nothing is known or a quarter is corrected, then fewer, but never none."""
    assert recheck_worth(0, 0) == 1
    assert recheck_worth(40, 10) == 1
    assert recheck_worth(8, 0) == 0.4
    assert 0 < recheck_worth(1000, 0) < 0.01


def test_what_other_strata_take_leaves_the_audits_as_random_as_before():
    """
    Period after period the rows without votes are asked too; audits still meet their share of them.

    Were both taken by the same end of the random numbers, the rows that were left would have fewer.
    """
    rng = np.random.default_rng(0)
    rows = pl.concat([many_rows(200)] * 10).with_columns(
        row_id=pl.int_range(2_000),
        random=rng.random(2_000),
        n_votes=np.where(rng.random(2_000) < 0.3, 0, 1),
        label=pl.lit(None, pl.String),
        heuristic=pl.lit(None, pl.String),
    )
    settings = ExpertsSettings(budget=40, split={"audit": 0.3, "uncovered": 0.7})
    uncovered = rows["n_votes"] == 0
    seen, audited, met = pl.Series("row_id", [], pl.String), 0, []
    for _ in range(12):
        askable = ~pl.col("row_id").cast(pl.String).is_in(seen.implode())
        asks = choose_asks(
            pick_candidates(rows.with_columns(askable=askable), 40),
            settings,
            {"new": audited},
            seed=0,
            satisfied=False,
            held=False,
        )
        audits = asks.filter(pl.col("stratum") == "audit")
        met += uncovered.gather(audits["row_id"].cast(pl.Int64)).to_list()
        seen, audited = pl.concat([seen, asks["row_id"]]), audited + audits.height

    assert abs(np.mean(met) - uncovered.mean()) < 0.06


def test_cohorts_of_one_size_do_not_round_alike():
    """Else a kind of row that each cohort has would be met too often in all of them, or in none."""
    shares = []
    for seed in range(40):
        weeks = [
            many_rows(200).with_columns(
                row_id=pl.int_range(200) + 200 * week,
                random=np.random.default_rng([seed, week]).random(200),
                cohort=pl.lit(f"week {week:02}"),
                label=pl.when(pl.int_range(200) % 10 == 0).then(pl.lit("spam")),
                margin=pl.lit(0.9),
            )
            for week in range(20)
        ]
        asks = choose_asks(
            pick_candidates(pl.concat(weeks), 60),
            ExpertsSettings(budget=60, split={"audit": 1.0}),
            {},
            seed=seed,
            satisfied=False,
            held=False,
        )
        shares.append((asks["row_id"].cast(pl.Int64) % 10 == 0).mean())

    plain = 0.1 * 0.9 / asks.height
    assert np.var(shares) < plain
