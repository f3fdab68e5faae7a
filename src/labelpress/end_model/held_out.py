"""Held-out predictions: what an end model would say of answered rows had it not seen them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labelpress.end_model.mix_race import deal_folds
from labelpress.end_model.mixes import fit_by

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelpress.end_model.mixes import Lesson, Recipe
    from labelpress.end_model.softmax import Floats
    from labelpress.end_model.training import Prepared, Taught


def held_out(prepared: Prepared, taught: Taught, seed: int) -> tuple[NDArray[np.int64], Floats]:
    """
    Return the answered rows and their class probabilities, shape (n, K), each out of fold.

    What learnt from answers is learnt again without each fold, by the same recipe. What learnt
    from program labels never saw the answered rows, so it is asked as it is; where it did see
    them, no row can be returned. A teacher has shown a distilled learner all answers, so the
    correction that it was distilled from is asked in its place, which is seldom better.
    """
    rows = prepared.views[0][0].answered
    blind = all(r.mix != "program" or r.base is not None for r in taught.recipes)
    if len(rows) == 0 or not blind:
        return rows[:0], np.zeros((0, len(taught.model.classes)))
    said = [
        np.exp(_out_of_fold(lesson, recipe, rows, seed))
        for (lesson, _), recipe in zip(prepared.views, taught.recipes, strict=True)
    ]
    return rows, np.asarray(np.mean(said, axis=0))


def _out_of_fold(lesson: Lesson, recipe: Recipe, rows: NDArray[np.int64], seed: int) -> Floats:
    if recipe.mix == "program" and recipe.base is not None:
        return recipe.base.log_proba(lesson.X[rows])
    out = np.zeros((len(rows), lesson.program.shape[1]))
    folds = deal_folds(lesson.answers[rows], seed)
    for fold in np.unique(folds):
        held, others = rows[folds == fold], rows[folds != fold]
        out[folds == fold] = fit_by(recipe, lesson, others).log_proba(lesson.X[held])
    return out
