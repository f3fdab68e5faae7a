"""Tempering: probabilities become as sure as they are right."""

from __future__ import annotations

import numpy as np
import pytest

from labelpress.end_model.tempering import fit_temperature, temper


@pytest.fixture(name="rows", scope="module")
def _rows() -> tuple[np.ndarray, np.ndarray]:
    """Honest log-probabilities of two classes, and classes drawn by them."""
    rng = np.random.default_rng(0)
    spam = rng.uniform(0.05, 0.95, size=4000)
    honest = np.log(np.column_stack([1 - spam, spam]))
    return honest, (rng.random(4000) < spam).astype(np.int64)


@pytest.mark.parametrize("sure", [0.5, 1.0, 3.0])
def test_what_was_made_too_sure_is_found_and_undone(rows, sure):
    """Log-probabilities that were multiplied are divided by about as much."""
    honest, codes = rows
    found = fit_temperature(temper(honest, 1 / sure), codes, np.ones(len(codes)))

    assert found == pytest.approx(sure, rel=0.15)


def test_the_ranking_of_classes_stays(rows):
    """So accuracy does."""
    honest, _ = rows

    assert np.array_equal(temper(honest, 2.5).argmax(axis=1), honest.argmax(axis=1))


def test_few_answers_change_nothing(rows):
    """49 rows would fit their own noise."""
    honest, codes = rows

    assert fit_temperature(honest[:49], codes[:49], np.ones(49)) == 1.0
