"""Where annotators disagree, whoever is more often right weighs more, once that can be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from labelpress.annotators import FEWEST_SHARED, settle
from labelpress.classes import Classes

CLASSES = Classes(("ham", "spam"))
START = datetime(2026, 3, 2, tzinfo=UTC)


def opinions(*rows):
    """Return what annotators said, each row as (ask, annotator, code), later ones later."""
    return pl.DataFrame(
        [(ask, who, code, START + timedelta(minutes=i)) for i, (ask, who, code) in enumerate(rows)],
        schema={
            "ask_id": pl.String(),
            "annotator": pl.String(),
            "code": pl.Int64(),
            "answered": pl.Datetime("us", "UTC"),
        },
        orient="row",
    )


def codes(settled):
    """Return the code of each ask."""
    return dict(settled.codes.iter_rows())


def test_few_shared_asks_are_settled_by_the_majority_then_the_latest():
    """Nobody's reliability can be told from three asks."""
    settled = settle(
        opinions(
            ("q1", "ann", 1),
            ("q1", "bob", 0),
            ("q1", "cem", 1),
            ("q2", "ann", 0),
            ("q2", "bob", 1),
            ("q3", "bob", 1),
            ("q3", "ann", 0),
            ("q4", "ann", 1),
        ),
        CLASSES,
    )

    assert codes(settled) == {"q1": 1, "q2": 1, "q3": 0, "q4": 1}
    ann, bob, cem = settled.annotators
    assert (ann.name, ann.answers, ann.shared, ann.agreement) == ("ann", 4, 3, pytest.approx(2 / 3))
    assert (bob.agreement, bob.accuracy) == (pytest.approx(1 / 3), None)
    assert cem.agreement == 1.0


def crowd(accuracies, asks=200, seed=4):
    """Return a simulated crowd: its opinions as rows and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, asks)
    rows = [
        (f"q{ask:04}", f"{who}", int(truth[ask] if rng.random() < right else 1 - truth[ask]))
        for ask in range(asks)
        for who, right in enumerate(accuracies)
    ]
    return opinions(*rows), truth


def test_careless_annotators_do_not_outvote_careful_ones():
    """The model finds out whom to believe."""
    given, truth = crowd([0.97, 0.95, 0.6, 0.55, 0.6])
    by_majority = given.group_by("ask_id").agg(pl.col("code").median().cast(pl.Int64))

    right = (settle(given, CLASSES).codes["code"].to_numpy() == truth).mean()
    voted = (by_majority.sort("ask_id")["code"].to_numpy() == truth).mean()
    assert right > 0.95
    assert voted < 0.92


def test_the_accuracy_of_each_annotator_is_found_without_the_truth():
    """Within five points of what it is."""
    accuracies = [0.95, 0.9, 0.75, 0.6]
    settled = settle(crowd(accuracies, asks=600)[0], CLASSES)

    assert [one.accuracy for one in settled.annotators] == pytest.approx(accuracies, abs=0.05)


def test_what_all_agree_on_is_never_overruled():
    """However often they are wrong elsewhere."""
    given, _ = crowd([0.95, 0.95, 0.95, 0.2])
    lone = opinions(*[(f"z{i}", "3", 1) for i in range(5)])
    settled = codes(settle(pl.concat([given, lone]), CLASSES))

    assert [settled[f"z{i}"] for i in range(5)] == [1] * 5


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_or_one_answer_is_settled(rows):
    """There is nobody to compare with."""
    settled = settle(opinions(("q1", "ann", 1)).head(rows), CLASSES)

    assert settled.codes.height == rows
    assert [one.accuracy for one in settled.annotators] == [None] * rows


def test_the_order_of_the_answers_changes_nothing():
    """The same opinions, shuffled, give the same bits."""
    given, _ = crowd([0.9, 0.8, 0.6], asks=FEWEST_SHARED)
    shuffled = given.sample(fraction=1, shuffle=True, seed=1)

    first, second = settle(given, CLASSES), settle(shuffled, CLASSES)
    assert first.codes.equals(second.codes)
    assert first.annotators == second.annotators
