"""Term weights: which words and categories tell the classes apart, by labels that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from labelpress.end_model.softmax import Floats, Matrix

_UNSEEN: Final = 2.0
"""Rows in which each column is taken to have been seen before, classes as they are overall."""


def term_weights(X: Matrix, targets: Floats) -> Floats | None:
    """
    Return what each column of X, shape (n, d), is to be multiplied by, shape (d,).

    Supervised term weighting (Debole and Sebastiani 2003): a column counts by the square root of
    how far, root mean square over the classes, the log-probability of a class moves where the
    column has a value. `targets`, shape (n, K), are class probabilities times row weights. Columns
    with negative values, such as scaled numbers, tell by how much and keep weight one; the others
    are scaled so that all values together are as large as before. None where there is no such
    column, as in a dense X.
    """
    if not sparse.issparse(X):
        return None
    columns = X.shape[1]
    terms = np.bincount(X.indices, minlength=columns) > 0
    terms[X.indices[X.data < 0]] = False
    total = targets.sum(axis=0)
    if not terms.any() or (total > 0).sum() < 2:
        return None
    # before the next copy is made: with many rows each is large
    squares = np.bincount(X.indices, np.square(X.data, dtype=np.float64), minlength=columns)[terms]
    share = total / total.sum()
    there = sparse.csr_matrix((np.ones(len(X.indices)), X.indices, X.indptr), X.shape)
    mass = np.asarray(there.T @ targets) + _UNSEEN * share
    known = share > 0
    inside = mass[:, known] / mass.sum(axis=1, keepdims=True)
    moved = np.log(inside) - np.log(share[known])
    weights = np.sqrt(np.sqrt((share[known] * moved**2).sum(axis=1)))

    after = (squares * weights[terms] ** 2).sum()
    if after == 0:
        return None
    scaled = np.ones(columns)
    scaled[terms] = weights[terms] * np.sqrt(squares.sum() / after)
    return scaled


def weighed(X: Matrix, weights: Floats) -> Matrix:
    """Return a CSR matrix with its columns multiplied by weights, shape (d,), in X's precision."""
    data = X.data * weights.astype(X.dtype)[X.indices]
    return sparse.csr_matrix((data, X.indices, X.indptr), X.shape)
