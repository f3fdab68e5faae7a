"""Suspects: answers that look wrong, by what models that have not seen them say of their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray


def rank_suspects(codes: NDArray[np.int64], probabilities: NDArray[np.float64]) -> pl.DataFrame:
    """
    Return `place`, `suspected` and `score` of each answer, the likeliest wrong one first.

    `codes` (a,) are the classes answered, `probabilities` (a, K) those of models that have not
    seen the answer (out of fold). The score in [0, 1] is cleanlab's normalized margin: near 0 where
    another class is far likelier than the one answered. Suspected are those that confident learning
    (Northcutt, Jiang and Chuang, JAIR 70, 2021) counts off the diagonal of its confident joint.
    Classes that nobody answered are left out: nothing calibrates them.
    """
    # cleanlab brings pandas and scikit-learn, which a run without answers does not need
    from cleanlab.filter import find_label_issues  # noqa: PLC0415
    from cleanlab.rank import get_label_quality_scores  # noqa: PLC0415

    seen, own = np.unique(codes, return_inverse=True)
    if len(seen) < 2:
        scores, suspected = np.ones(len(codes)), np.zeros(len(codes), dtype=bool)
    else:
        known = np.maximum(probabilities[:, seen], 1e-12)
        known /= known.sum(axis=1, keepdims=True)
        scores = get_label_quality_scores(own, known, method="normalized_margin")
        suspected = find_label_issues(own, known, filter_by="confident_learning", n_jobs=1)
    order = np.argsort(scores, kind="stable")
    return pl.DataFrame(
        {
            "place": pl.Series(order, dtype=pl.Int64),
            "suspected": suspected[order],
            "score": scores[order],
        }
    )


def mix_rechecks(ranked: pl.DataFrame, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """
    Return the places of at most `count` answers to look at again, in no telling order.

    Half are the first of the suspected, half drawn from the others: where only what disagrees with
    the model is corrected, the answers come to favour it.
    """
    suspects = ranked.filter("suspected")["place"].to_numpy()[: count // 2]
    others = ranked.filter(~pl.col("suspected"))["place"].sort().to_numpy()
    drawn = rng.permutation(others)[: len(suspects)]
    return np.asarray(rng.permutation(np.concatenate([suspects, drawn])), dtype=np.int64)
