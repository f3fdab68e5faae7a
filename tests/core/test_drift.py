"""Drift is named where a heuristic's new rows differ, and rarely where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelpress.drift import Tally, find_drift, tally
from labelpress.votes import count_patterns

A = -1
VOTES = np.array([[0, 0, 1], [0, A, A], [1, 1, 1], [A, A, A]], dtype=np.int8)


def tallied(rows, votes, agreeing, conflicts=None):
    """Tally heuristics that always vote in company; `agreeing` are sums of shares."""
    conflicts = np.zeros(len(votes)) if conflicts is None else conflicts
    return Tally(
        rows,
        tuple(map(int, votes)),
        tuple(map(int, votes)),
        tuple(map(float, agreeing)),
        tuple(map(int, conflicts)),
    )


def test_a_tally_counts_votes_company_agreement_and_conflict():
    """The lonely vote has no company, half of the first row's other votes agree."""
    assert tally(VOTES, np.array([2, 1, 1, 1]), 2) == Tally(
        rows=5,
        votes=(4, 3, 3),
        accompanied=(3, 3, 3),
        agreeing=(2.0, 2.0, 1.0),
        conflicts=(2, 2, 2),
    )


@settings(max_examples=50, deadline=None)
@given(
    votes=arrays(
        np.int8, st.tuples(st.integers(0, 30), st.integers(0, 4)), elements=st.integers(-1, 2)
    ),
    cut=st.integers(0, 30),
)
def test_tallies_of_parts_add_up_to_that_of_the_whole(votes, cut):
    """Wherever the rows lie, and whether they are counted one by one or as patterns."""
    whole = count_patterns(votes)
    parts = [tally(part, np.ones(len(part), np.int64), 3) for part in (votes[:cut], votes[cut:])]
    summed = parts[0] + parts[1]
    expected = tally(whole.votes, whole.counts, 3) if len(whole.votes) else parts[0] + parts[1]
    assert (summed.rows, summed.votes, summed.conflicts) == (
        expected.rows,
        expected.votes,
        expected.conflicts,
    )
    np.testing.assert_allclose(summed.agreeing, expected.agreeing)


def test_a_stale_heuristic_is_named_with_what_moved():
    """Agreement falls by ten points on this period's new rows; the others stay."""
    steady = tallied(10_000, [3_000] * 3, [2_550, 2_700, 2_400])
    stale = tallied(10_000, [3_000] * 3, [2_250, 2_690, 2_410])
    history = {f"2026-0{month}-01": steady for month in range(1, 5)}
    found = find_drift(["a", "b", "c"], history | {"2026-05-01": stale}, "2026-05-01", {})
    assert [drift.drifts for drift in found] == [True, False, False]
    assert found[0].sentence() == (
        "a drifts: its agreement with the rest went from 85.0% to 75.0% on 3,000 new votes."
    )
    assert found[0].periods == 4


def test_it_is_compared_from_its_last_drift_on():
    """What has changed once is the new usual; going back is one more drift."""
    before, after = tallied(5_000, [500], [400]), tallied(5_000, [2_000], [1_600])
    tallies = {"1": before, "2": before, "3": after}
    (stays,) = find_drift(["a"], tallies | {"4": after}, "4", {"a": "3"})
    (returns,) = find_drift(["a"], tallies | {"4": before}, "4", {"a": "3"})
    assert (stays.drifts, stays.periods, stays.score) == (False, 1, 0.0)
    assert (returns.drifts, round(returns.before, 3)) == (True, 0.4)


def test_a_rare_heuristic_that_falls_silent_is_named():
    """One vote in 500 rows is nothing in points, and everything to the heuristic."""
    tallies = {"1": tallied(100_000, [200], [180]), "2": tallied(100_000, [0], [0])}
    (found,) = find_drift(["a"], tallies, "2", {})
    assert (found.drifts, found.measure, found.now) == (True, "vote rate", 0.0)


@pytest.mark.parametrize(
    "tallies",
    [
        {},
        {"2": tallied(10, [5], [5])},
        {"1": tallied(10, [5], [5])},
        {"2": tallied(10, [5], [5]), "3": tallied(10, [5], [5])},
        {"1": tallied(10, [5], [5]), "2": tallied(0, [0], [0])},
    ],
    ids=["nothing", "no earlier period", "no new rows", "only a later one", "empty cohort"],
)
def test_nothing_to_compare_names_nothing(tallies):
    """The first period, and one without new rows."""
    assert not any(drift.drifts for drift in find_drift(["a"], tallies, "2", {}))


def test_millions_of_rows_do_not_make_a_small_move_a_drift():
    """One point is beyond any doubt and still nothing to act on."""
    tallies = {"1": tallied(10**7, [3 * 10**6], [2_550_000])}
    tallies |= {"2": tallied(10**7, [3_100_000], [2_600_000])}
    assert not find_drift(["a"], tallies, "2", {})[0].drifts


def simulate(seed, *, periods, rows, spread, fall, heuristics=1_000):
    """
    Return the share of heuristics that drift in a period whose agreement fell by `fall`.

    Vote rates of 5 to 50 %, agreements of 70 to 95 %, conflict beside it; all three wander from
    period to period by `spread` in log-odds.
    """
    rng = np.random.default_rng(seed)

    def wander(share):
        log_odds = np.log(share / (1 - share)) + spread * rng.standard_normal(heuristics)
        return 1 / (1 + np.exp(-log_odds))

    rate, agreement = rng.uniform(0.05, 0.5, heuristics), rng.uniform(0.7, 0.95, heuristics)
    tallies = {}
    for period in range(periods + 1):
        lower = agreement - (fall if period == periods else 0.0)
        votes = rng.binomial(rows, wander(rate))
        agreeing = rng.binomial(votes, wander(lower))
        conflicts = votes - agreeing
        tallies[f"{period:02}"] = tallied(rows, votes, agreeing, conflicts)
    names = [f"h{place}" for place in range(heuristics)]
    found = find_drift(names, tallies, f"{periods:02}", {})
    return sum(drift.drifts for drift in found) / heuristics


@pytest.mark.parametrize("rows", [300, 5_000, 10**7])
@pytest.mark.parametrize("periods", [1, 4, 12])
@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_false_alarms_stay_below_one_in_a_hundred(rows, periods, spread):
    """Per heuristic and period, from hundreds to millions of rows, still or wandering."""
    assert simulate(1, periods=periods, rows=rows, spread=spread, fall=0.0) <= 0.01


@pytest.mark.parametrize(
    ("periods", "rows", "spread", "power"),
    [
        (4, 10_000, 0.0, 0.93),
        (12, 10_000, 0.0, 0.98),
        (4, 10**7, 0.1, 0.88),
        (12, 10**7, 0.1, 0.93),
    ],
)
def test_a_fall_of_ten_points_is_found(periods, rows, spread, power):
    """Agreement falls by ten points on the new rows of one period, from 70 to 95 % before."""
    assert simulate(2, periods=periods, rows=rows, spread=spread, fall=0.1) >= power
