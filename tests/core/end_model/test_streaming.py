"""Streams: what is learnt block by block is nearly what is learnt at once, and always the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from labelpress.end_model.settings import EndModelSettings
from labelpress.end_model.softmax import fit_softmax
from labelpress.end_model.streaming import new_stream

BAYES = EndModelSettings(estimator="sklearn.naive_bayes.MultinomialNB")


@pytest.fixture(name="lesson", scope="module")
def _lesson() -> tuple[sparse.csr_matrix, np.ndarray]:
    """4,000 short texts of 300 words, of three classes by their words, with soft labels."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, size=4000)
    words = np.where(rng.random((4000, 12)) < 0.3, truth[:, None] * 100, 0)
    words = words + rng.integers(0, 100, size=(4000, 12))
    rows = np.repeat(np.arange(4000), 12)
    X = sparse.csr_matrix((np.full(48_000, 0.3), (rows, words.ravel())), shape=(4000, 300))
    soft = np.full((4000, 3), 0.1)
    soft[np.arange(4000), truth] = 0.8
    return X, soft


def taught(lesson, settings=EndModelSettings(), passes=2):  # noqa: B008
    """Return a learner that saw the first 3,000 rows in blocks of 500."""
    X, soft = lesson
    stream = new_stream(settings, 300, 3, seed=0)
    for _ in range(passes):
        for start in range(0, 3000, 500):
            stream.partial_fit(X[start : start + 500], soft[start : start + 500])
    return stream.learner()


def right(learner, lesson):
    """Return the share of the last 1,000 rows whose likeliest class is named."""
    X, soft = lesson
    said = learner.log_proba(X[3000:]).argmax(axis=1)
    return float((said == soft[3000:].argmax(axis=1)).mean())


def test_a_stream_is_nearly_as_good_as_the_solver(lesson):
    """Within a point of what L-BFGS finds with all rows in memory."""
    X, soft = lesson
    at_once = fit_softmax(X[:3000], soft[:3000], 0.02)

    assert right(at_once, lesson) > 0.9
    assert right(taught(lesson), lesson) > right(at_once, lesson) - 0.01


def test_a_scikit_learn_estimator_is_streamed_with_weights(lesson):
    """Naive Bayes in blocks equals naive Bayes at once: it only counts."""
    once = new_stream(BAYES, 300, 3, seed=0)
    once.partial_fit(lesson[0][:3000], lesson[1][:3000])

    blocks = taught(lesson, BAYES, passes=1)

    assert np.allclose(blocks.log_proba(lesson[0]), once.learner().log_proba(lesson[0]))


def test_the_same_blocks_give_the_same_bits(lesson):
    """Nothing random is left to the clock."""
    first, second = taught(lesson), taught(lesson)

    assert np.array_equal(first.coefficients, second.coefficients)
    assert np.array_equal(first.intercept, second.intercept)


def test_soft_labels_are_weights(lesson):
    """A row without weight teaches nothing."""
    X, soft = lesson
    silent = soft.copy()
    silent[:500] = 0.0
    with_zeros, without = new_stream(BAYES, 300, 3, 0), new_stream(BAYES, 300, 3, 0)

    with_zeros.partial_fit(X[:1000], silent[:1000])
    without.partial_fit(X[500:1000], soft[500:1000])

    assert np.allclose(with_zeros.learner().log_proba(X), without.learner().log_proba(X))
