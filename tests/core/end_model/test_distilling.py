"""Distilling: a teacher that sees the votes knows which of them are wrong."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from labelpress.end_model import distilling
from labelpress.end_model.settings import EndModelSettings, Features
from labelpress.end_model.training import TrainedModel, fit

NUMBERS = EndModelSettings(features=Features(numeric=tuple(f"x{j}" for j in range(10))))
CLASSES = ("ham", "spam")
TAUGHT = 400


@pytest.fixture(name="drawn", scope="module")
def _drawn() -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """
    Rows, their classes and their votes: two heuristics vote by chance, and one vote is all wrong.

    Nothing of the features tells where a heuristic votes, so only who sees the votes can know.
    """
    rng = np.random.default_rng(3)
    X = rng.normal(size=(2 * TAUGHT, 10))
    truth = (X[:, :5].sum(axis=1) > 0).astype(np.int64)
    votes = np.full((len(X), 2), -1, dtype=np.int8)
    first = rng.random(len(X)) < 0.55
    votes[first, 0] = truth[first]
    votes[~first, 1] = 1 - truth[~first]
    rows = pl.DataFrame({f"x{j}": X[:, j] for j in range(10)})
    return rows, truth, votes


def taught_by(drawn, *, votes: bool, answered: int = 30, **settings: object) -> TrainedModel:
    """Fit on the first half of the rows, whose program labels are the votes as they were cast."""
    rows, truth, cast = drawn
    spam = np.where(cast[:TAUGHT].max(axis=1) == 1, 0.8, 0.2)
    return fit(
        rows[:TAUGHT],
        np.column_stack([1 - spam, spam]),
        answers=np.where(np.arange(TAUGHT) < answered, truth[:TAUGHT], -1),
        classes=CLASSES,
        settings=NUMBERS.model_copy(update={"mix": "offset", **settings}),
        seed=0,
        votes=cast[:TAUGHT] if votes else None,
    )


def said_by(model: TrainedModel, drawn) -> np.ndarray:
    """Return the class probabilities of the other half, without their votes."""
    return model.predict_proba(drawn[0][TAUGHT:])


def accuracy_of(model: TrainedModel, drawn) -> float:
    """Return the accuracy on the other half."""
    return float((said_by(model, drawn).argmax(axis=1) == drawn[1][TAUGHT:]).mean())


@pytest.fixture(name="distilled", scope="module")
def _distilled(drawn) -> TrainedModel:
    """A model whose teacher saw the votes."""
    return taught_by(drawn, votes=True)


def test_what_the_answers_say_of_the_votes_reaches_a_model_that_sees_none(drawn, distilled):
    """Thirty answers correct the labels of all rows on which the bad heuristic votes."""
    plain = taught_by(drawn, votes=False)

    assert not distilled.sees_votes
    assert distilled.mix.startswith("distilled offset")
    assert plain.mix.startswith("offset")
    assert accuracy_of(distilled, drawn) > accuracy_of(plain, drawn) + 0.03


@pytest.mark.parametrize(
    "settings",
    [{"distil": False}, {"answered": 19}, {"mix": "answers"}, {"mix": "program"}],
    ids=str,
)
def test_nothing_is_distilled_without_a_correction_by_answers(drawn, settings):
    """The votes change no bit then."""
    with_votes, without = (taught_by(drawn, votes=votes, **settings) for votes in (True, False))

    assert "distilled" not in with_votes.mix
    assert np.array_equal(said_by(with_votes, drawn), said_by(without, drawn))


def test_a_teacher_of_some_of_the_rows_labels_all(drawn, distilled, monkeypatch):
    """It learns from a draw, and what it says comes in blocks: the model is as good."""
    monkeypatch.setattr(distilling, "TEACHER_ROWS", 150)
    drawn_from = taught_by(drawn, votes=True)

    assert not np.array_equal(said_by(drawn_from, drawn), said_by(distilled, drawn))
    assert accuracy_of(drawn_from, drawn) > accuracy_of(distilled, drawn) - 0.03


def test_the_same_rows_give_the_same_bits(drawn, distilled):
    """Nothing of it is left to chance."""
    assert np.array_equal(said_by(taught_by(drawn, votes=True), drawn), said_by(distilled, drawn))


def test_a_distilled_model_survives_its_file(drawn, distilled):
    """As any other does."""
    read = TrainedModel.from_bytes(distilled.to_bytes())

    assert np.array_equal(said_by(read, drawn), said_by(distilled, drawn))
