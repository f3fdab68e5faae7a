"""Reading published labels and predictions, for those who use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelpress.errors import StoreError
from labelpress.predictions import scan_predictions
from labelpress.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl


def read_labels(
    store: str,
    version: int | None = None,
    period: str | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> pl.LazyFrame:
    """
    Return the published labels, one row per row_id.

    Without `version` and `period` these are the current ones; with `period` its last printing,
    rolled back or not. The frame is pinned to one version: publications that follow do not
    change it. Columns: row_id, label (null: not labelled), probabilities (by class code),
    confidence, origin (program, expert, none), n_votes, cohort, part. Raises `StoreError` where
    there is no such store, version or period.
    """
    if version is not None and period is not None:
        raise StoreError(
            f"version {version} and period {period!r} were both given; give one of them."
        )
    opened = Store(store, storage_options or {})
    opened.identity()
    return opened.labels.read(opened.labels.find(version, period).version)


def read_predictions(
    store: str,
    version: int | None = None,
    period: str | None = None,
    model: str | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> pl.LazyFrame:
    """
    Return what the end model says of every row of a label version, one row per row_id.

    Without `version` and `period` it is the current one, as for `read_labels`; without `model`,
    the version in MLflow's registry, it is the last champion that scored it. Columns: row_id,
    label, probabilities (by class code), confidence, part. Raises `StoreError` where there is no
    such store, version, period or prediction.
    """
    if version is not None and period is not None:
        raise StoreError(
            f"version {version} and period {period!r} were both given; give one of them."
        )
    opened = Store(store, storage_options or {})
    opened.identity()
    return scan_predictions(opened.files, opened.labels.find(version, period).version, model)
