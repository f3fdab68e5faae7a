"""Probabilities are recalibrated by answers they have not seen, and only when that helps."""

from __future__ import annotations

import numpy as np
import pytest

from labelpress.label_models import fit_label_model
from labelpress.label_models.recalibration import recalibrate
from labelpress.label_models.rules import temper


def drawn(rng, power, n=400):
    """Draw calibrated probabilities, their labels, and the same raised to a power."""
    spam = rng.beta(1.5, 1.5, n)
    true = np.stack([1 - spam, spam], axis=1)
    labels = (rng.random(n) < spam).astype(np.int64)
    return temper(true, power), labels, np.ones(n), np.arange(n) % 5


def test_overconfident_probabilities_are_made_less_sure():
    """Squared by mistake, they are raised to about a half."""
    found = recalibrate(*drawn(np.random.default_rng(1), 2.0))

    assert found.power == pytest.approx(1 / 2, rel=0.2)
    assert found.gain > 2 * found.standard_error > 0


def test_calibrated_probabilities_stay_near_what_they_are():
    """No power helps much on answers it has not seen."""
    powers = [recalibrate(*drawn(np.random.default_rng(seed), 1.0)).power for seed in range(20)]

    assert powers.count(1.0) >= 10
    assert all(0.8 < power < 1.25 for power in powers)


def test_what_does_not_help_out_of_fold_is_not_done():
    """Folds that contradict one another teach nothing."""
    probability = np.tile([0.3, 0.7], (40, 1))
    fold = np.arange(40) % 2

    found = recalibrate(probability, np.where(fold == 0, 1, 0), np.ones(40), fold)

    assert found.gain < 0
    assert found.power == 1.0


@pytest.mark.parametrize("model", ["auto", "majority", "dawid-skene-symbol"])
def test_every_model_is_recalibrated_and_says_so(model):
    """The labels stay what they were; the report names the power and the gain."""
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, 600)
    cast = np.where(rng.random((600, 5)) < 0.75, truth[:, None], 1 - truth[:, None])
    votes = np.where(rng.random((600, 5)) < 0.6, cast, -1).astype(np.int8)
    answers = np.where(np.arange(600) < 150, truth, -1)

    plain = fit_label_model(votes, 2, answers=np.where(np.arange(600) < 5, truth, -1), model=model)
    fitted = fit_label_model(votes, 2, answers=answers, audit=answers >= 0, model=model)

    assert "recalibration" not in plain.diagnostics
    found = fitted.diagnostics["recalibration"]
    assert set(found) == {"power", "gain", "standard_error"}
    assert (found["power"] != 1) == (fitted.to_json()["rule"]["rule"] == "tempered")
