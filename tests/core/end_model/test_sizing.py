"""Sizing: the solver is chosen by what the rows take, and the reason says so."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from labelpress.end_model.sizing import RowBytes, choose_solver, measure

ROW = RowBytes(columns=300.0, features=1200.0)


def chosen(rows, budget, wanted="auto", *, streams=True):
    """Choose for five classes."""
    return choose_solver(rows, ROW, budget, classes=5, wanted=wanted, streams=streams)


def test_what_fits_is_held_in_memory():
    """100,000 rows of about 5 KB are below a GiB."""
    sizing = chosen(100_000, 2**30)

    assert (sizing.solver, sizing.rows) == ("memory", 100_000)
    assert "need about 460 MiB and training may take 1.0 GiB" in sizing.reason


def test_what_does_not_fit_is_streamed():
    """A million rows of the same are not; all of them still teach."""
    sizing = chosen(1_000_000, 2**30)

    assert (sizing.solver, sizing.rows) == ("stream", 1_000_000)
    assert "training may take 1.0 GiB" in sizing.reason


def test_an_estimator_that_cannot_stream_gets_a_sample():
    """As many rows as fit, and the reason says why not all."""
    sizing = chosen(1_000_000, 2**30, streams=False)

    assert sizing.solver == "memory"
    assert 100_000 < sizing.rows < 300_000
    assert "no weighted partial_fit" in sizing.reason


@pytest.mark.parametrize("wanted", ["memory", "stream"])
def test_the_project_may_decide(wanted):
    """Whatever the size."""
    assert chosen(10, 1.0, wanted).solver == wanted


def test_without_a_limit_everything_fits():
    """A worker whose memory nobody limits."""
    assert chosen(10**9, None).solver == "memory"


def test_rows_are_measured_by_their_columns_and_features():
    """Bytes per row, of the frame and of a sparse matrix."""
    frame = pl.DataFrame({"x": [1.0, 2.0]})

    found = measure(frame, sparse.csr_matrix([[1.0, 0.0], [0.0, 2.0]]))

    assert (found.columns, found.features) == (8.0, (16 + 8 + 12) / 2)


def test_votes_are_measured_with_the_columns():
    """A hundred heuristics may take more than the text they vote on."""
    frame, X = pl.DataFrame({"x": [1.0, 2.0]}), np.ones((2, 1))

    found = measure(frame, X, np.zeros((2, 100), dtype=np.int8))

    assert found.columns == 108.0
