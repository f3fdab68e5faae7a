"""The reliability table says how often labels of each confidence are right."""

from __future__ import annotations

import numpy as np
import pytest

from labelpress.calibration import Bin, Calibration, measure_calibration


def test_the_error_is_the_distance_from_confidence_weighted_by_audits():
    """80 of 100 right at 0.9, and 20 of 50 at 0.6: 0.1 and 0.2 off."""
    confidence = np.repeat([0.9, 0.6], [100, 50])
    correct = np.concatenate([np.arange(100) < 80, np.arange(50) < 20])

    found = measure_calibration(confidence, correct, reserved=True)

    assert [(one.audits, one.accuracy) for one in found.bins] == [(50, 0.4), (100, 0.8)]
    assert found.error == pytest.approx((100 * 0.1 + 50 * 0.2) / 150)
    assert found.audits == 150


def test_certainty_belongs_to_the_last_bin():
    """1 is inside it, and 0.9 too."""
    found = measure_calibration(np.array([1.0, 0.9]), np.array([True, True]), reserved=True)

    assert [(one.low, one.high, one.audits) for one in found.bins] == [(0.9, 1.0, 2)]


def test_perfect_probabilities_err_by_chance():
    """On few audits even they look off, by about as much as is said."""
    rng = np.random.default_rng(1)
    errors, chances = [], []
    for _ in range(300):
        confidence = rng.uniform(0.5, 1, 100)
        found = measure_calibration(confidence, rng.random(100) < confidence, reserved=True)
        errors.append(found.error)
        chances.append(found.by_chance)

    assert np.mean(errors) == pytest.approx(np.mean(chances), rel=0.05)


def test_without_audits_nothing_is_said():
    """Neither well nor badly calibrated."""
    found = measure_calibration(np.zeros(0), np.zeros(0, bool), reserved=True)

    assert (found.bins, found.error, found.by_chance) == ((), None, None)


def test_survives_json():
    """A calibration read back is the same."""
    found = Calibration((Bin(0.9, 1.0, 3, 0.95, 1.0),), 0.05, 0.1, reserved=False)

    assert Calibration.from_json(found.to_json()) == found
