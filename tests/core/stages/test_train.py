"""The train stage: what a worker keeps of the rows, and which model belongs to a version."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import polars as pl

from labelpress.stages.train import apart, find_model
from labelpress.tables.versions import LabelVersion

VERSION = LabelVersion(7, "run-a", "2026-03-02", 1, "publish", datetime(2026, 3, 2, tzinfo=UTC), {})


class Model(NamedTuple):
    """A registered model, as far as it is looked at."""

    version: str
    tags: dict[str, str]


class Models(NamedTuple):
    """What MLflow has registered."""

    registered: tuple[Model, ...]

    def models(self):
        """Return all models."""
        return self.registered


def _held(frame):
    table = frame.to_arrow(compat_level=pl.CompatLevel.newest())
    return table.get_total_buffer_size()


def test_a_sample_does_not_keep_the_texts_it_was_chosen_from():
    """One row of ten thousand holds kilobytes, where a filter alone holds all texts."""
    texts = [f"a text that is longer than twelve bytes, number {i}" for i in range(10_000)]
    chosen = pl.DataFrame({"text": texts}).filter(pl.int_range(pl.len()) == 5_000)
    assert _held(chosen) > 100_000
    copied = apart(chosen)
    assert copied.equals(chosen)
    assert _held(copied) < 10_000


def test_a_model_of_a_store_that_is_gone_is_not_taken_for_this_ones():
    """A store made anew counts from the beginning, so the version alone names no model."""
    tags = {"labelpress.label_version": "7", "labelpress.run": "run-a"}
    models = Models((Model("1", tags), Model("2", tags | {"labelpress.run": "run-b"})))
    assert find_model(VERSION, models).version == "1"
    assert find_model(replace(VERSION, run="run-b"), models).version == "2"
    assert find_model(replace(VERSION, run="run-c"), models) is None
    assert find_model(replace(VERSION, version=8), models) is None
