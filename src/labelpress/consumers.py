"""Reading published labels, for those who use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelpress.errors import StoreError
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
