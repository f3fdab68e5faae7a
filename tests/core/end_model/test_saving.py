"""Files of end models: what they may make when they are read."""

from __future__ import annotations

import pickle

import numpy as np
import polars as pl
import pytest
import skops.io

from labelpress.end_model.settings import EndModelSettings, Features
from labelpress.end_model.training import TrainedModel, fit
from labelpress.errors import LabelpressError


class Stranger:
    """A class that no file may create unasked."""

    def __init__(self) -> None:
        self.value = 1


def test_a_strange_type_is_not_created():
    """The error names it and the argument that would allow it."""
    content = skops.io.dumps({"format": 2, "learner": Stranger()})

    with pytest.raises(LabelpressError, match=r"Stranger.*`trusted`"):
        TrainedModel.from_bytes(content)


@pytest.mark.parametrize("content", [b"", b"no zip", pickle.dumps({"format": 2})])
def test_damaged_files_are_refused(content):
    """Neither an empty file nor a pickle is read."""
    with pytest.raises(LabelpressError, match="cannot be read"):
        TrainedModel.from_bytes(content)


def test_a_truncated_file_is_refused():
    """Half an upload is no model."""
    content = skops.io.dumps({"format": 2})

    with pytest.raises(LabelpressError, match="cannot be read"):
        TrainedModel.from_bytes(content[: len(content) // 2])


def test_a_model_of_the_format_before_is_read():
    """The champion of before an upgrade goes on predicting."""
    rows = pl.DataFrame({"text": ["a child", "a child", "an adult", "an adult"]})
    model = fit(
        rows,
        np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]),
        answers=np.full(4, -1),
        classes=("child", "adult"),
        settings=EndModelSettings(features=Features(text=("text",))),
        seed=0,
    )
    state = skops.io.loads(model.to_bytes())
    del state["features"]["text_length"]
    for ngrams in state["features"]["ngrams"]:
        del ngrams["longest"]

    before = TrainedModel.from_bytes(skops.io.dumps({**state, "format": 2}))

    np.testing.assert_array_equal(before.predict_proba(rows), model.predict_proba(rows))


def test_another_format_is_refused():
    """A file of a newer labelpress is named as such."""
    with pytest.raises(LabelpressError, match="not of format 3"):
        TrainedModel.from_bytes(skops.io.dumps({"format": 4}))
