"""The sweep: what more and surer program labels do, told from what they do not."""

from __future__ import annotations

import numpy as np
import pytest

from labelpress.end_model.mixes import Lesson, fit_program
from labelpress.end_model.softmax import fit_softmax
from labelpress.end_model.sweep import Judges, sizes, sweep

ROWS, JUDGES = 16_000, 400


def lesson_of(X, program):
    """Return a lesson of program labels alone."""
    rows = len(program)
    return Lesson(
        X=X,
        program=program,
        answers=np.full(rows, -1),
        importance=np.ones(rows),
        class_weights=np.ones(2),
        fit=fit_softmax,
        linear=True,
    )


@pytest.fixture(name="problem", scope="module")
def _problem() -> tuple[np.ndarray, np.ndarray]:
    """60 numbers, of which each says a little of the class."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS + JUDGES, 60)) / np.sqrt(60)
    truth = (X.sum(axis=1) + rng.normal(scale=0.3, size=len(X)) > 0).astype(np.int64)
    return X, truth


def judges_of(problem, count=JUDGES):
    """Return the last rows with their truth."""
    X, truth = problem
    return Judges(X[ROWS:][:count], truth[ROWS:][:count], np.ones(count), "answers")


def soft(codes, sure):
    """Return soft labels that are as sure as is said, row by row."""
    out = np.column_stack([1 - sure, 1 - sure])
    out[np.arange(len(codes)), codes] = sure
    return out


def test_each_size_is_a_fourth_of_the_next():
    """From 250 up; what is too large to be fitted for the sweep alone is left out."""
    assert sizes(16_000) == (250, 1000, 4000)
    assert sizes(999) == ()
    assert max(sizes(10**7)) <= 100_000


def test_more_labels_that_are_right_help(problem):
    """The end model itself is the last point, and is not fitted again."""
    X, truth = problem
    lesson = lesson_of(X[:ROWS], soft(truth[:ROWS], np.full(ROWS, 0.9)))
    base = fit_program(lesson, lesson.unanswered)

    found = sweep(lesson, judges_of(problem), 0, base)

    assert [p.rows for p in found.points if p.share == 1.0] == [250, 1000, 4000, 16_000]
    first, last = found.points[0], found.points[3]
    assert last.log_loss < first.log_loss
    assert found.quantity in {"helps", "makes no difference"}
    assert "from 4,000 to 16,000 rows" in found.sentence


def test_unsure_labels_that_are_wrong_hurt(problem):
    """Four in nine labels are less sure and against the truth: without them the model is better."""
    X, truth = problem
    unsure = np.arange(ROWS) % 9 < 4
    codes = np.where(unsure, 1 - truth[:ROWS], truth[:ROWS])
    lesson = lesson_of(
        X[:ROWS], soft(codes, np.where(unsure, 0.9, 0.95) + np.linspace(0, 0.01, ROWS))
    )

    found = sweep(lesson, judges_of(problem), 0)

    assert found.quality == "helps"
    half = found.points[-1]
    assert 0.9 < half.cut <= 0.96
    assert half.rows == pytest.approx(2000, rel=0.1)


def test_few_judges_say_nothing(problem):
    """49 rows could not tell the points apart."""
    X, truth = problem
    lesson = lesson_of(X[:ROWS], soft(truth[:ROWS], np.full(ROWS, 0.9)))

    assert sweep(lesson, judges_of(problem, 49), 0) is None
