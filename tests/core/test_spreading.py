"""Spreading: every row is as likely as any other, and the draws follow the rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from labelpress.intervals import wilson
from labelpress.spreading import points_of, spread

TOPICS = ("please subscribe to my channel", "such a lovely old song", "who wrote this tune")


def lumps(rng, *sizes):
    """Return points in lumps of so many rows each."""
    return np.concatenate([rng.normal(10 * n, 1, (size, 3)) for n, size in enumerate(sizes)])


@given(st.integers(0, 60), st.integers(0, 80), st.integers(0, 4), st.integers(0, 99))
def test_as_many_different_rows_are_drawn_as_were_wanted(rows, count, width, seed):
    """Or all there are, in ascending order; the same seed draws the same."""
    points = np.random.default_rng(seed).integers(0, 3, (rows, width)).astype(float)

    drawn, again = (spread(points, count, np.random.default_rng(seed)) for _ in range(2))

    assert len(drawn) == min(count, rows)
    assert (np.diff(drawn) > 0).all()
    assert ((drawn >= 0) & (drawn < rows)).all()
    assert drawn.tolist() == again.tolist()


@pytest.mark.parametrize("count", [1, 5, 13])
def test_every_row_is_as_likely_to_be_drawn_as_any_other(count):
    """However lopsided the rows lie, and however oddly their number is halved."""
    rng = np.random.default_rng(count)
    points = lumps(rng, 3, 11, 23)
    times = np.zeros(37)
    for _ in range(4_000):
        times[spread(points, count, rng)] += 1

    assert times.sum() == 4_000 * count
    # draws without replacement vary less than the test takes for granted
    assert chisquare(times).pvalue > 0.01


def test_a_mean_over_spread_draws_varies_less_than_over_plain_ones():
    """Where near rows are alike; this is what the draws are spread for."""
    rng = np.random.default_rng(0)
    points = lumps(rng, 300, 500, 200)
    values = np.repeat([0.0, 1.0, 3.0], [300, 500, 200])
    spread_means = [values[spread(points, 40, rng)].mean() for _ in range(400)]
    plain_means = [values[rng.permutation(1_000)[:40]].mean() for _ in range(400)]

    assert np.mean(spread_means) == pytest.approx(values.mean(), abs=0.02)
    assert np.var(spread_means) < np.var(plain_means) / 10


def test_intervals_for_uniform_draws_hold_for_spread_ones():
    """Draws that are spread are at most as far off as plain ones, which the intervals expect."""
    rng = np.random.default_rng(1)
    points = lumps(rng, 300, 500, 200)
    right = rng.random(1_000) < np.repeat([0.95, 0.8, 0.6], [300, 500, 200])
    held = 0
    for _ in range(500):
        low, high = wilson(float(right[spread(points, 60, rng)].mean()), 60, 0.95)
        held += low <= right.mean() <= high

    assert held >= 0.95 * 500


def test_rows_of_each_topic_and_label_are_drawn_in_proportion():
    """Words tell kinds of rows apart, and so does what the label model says."""
    rows = pl.DataFrame(
        {
            "wording": [f"{TOPICS[n % 3]} {n}" for n in range(240)],
            "label": ["spam" if n % 8 < 2 else None for n in range(240)],
            "margin": [0.9] * 240,
        }
    )
    points = points_of(rows)
    rng = np.random.default_rng(2)
    off = []
    for _ in range(50):
        drawn = spread(points, 24, rng)
        topics = np.bincount(drawn % 3, minlength=3)
        off.append(max(*abs(topics - 8), abs((drawn % 8 < 2).sum() - 6)))

    # plain draws are off by 3.5 on average
    assert np.mean(off) < 2


@pytest.mark.parametrize("wording", [None, "the same words for all"])
def test_rows_that_nothing_tells_apart_are_drawn_plainly(wording):
    """No words, or the same, and no label: what is left is chance."""
    rows = pl.DataFrame(
        {"wording": [wording] * 50, "label": [None] * 50, "margin": [1.0] * 50},
        schema={"wording": pl.String, "label": pl.String, "margin": pl.Float64},
    )
    points = points_of(rows)

    drawn = spread(points, 10, np.random.default_rng(3))

    assert len(points) == 50
    assert len(drawn) == 10
    assert drawn.tolist() != list(range(10))
    assert len(points_of(rows.head(0))) == len(points_of(rows.head(1))) - 1 == 0
