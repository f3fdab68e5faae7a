"""The `[end_model]` table: defaults and refusals."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from labelpress.end_model.settings import EndModelSettings, Features


def test_the_defaults_name_no_column():
    """The run chooses by type where nothing is said."""
    assert EndModelSettings().features.columns == ()
    assert EndModelSettings().max_rows == 1_000_000


def test_columns_are_listed_by_kind():
    """Text, then categorical, then numeric."""
    features = Features(text=("a",), categorical=("b",), numeric=("c", "d"))

    assert features.columns == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"feature": {}}, "Extra inputs"),
        ({"features": {"text": ["a"], "numeric": ["a"]}}, "'a' stands there twice"),
        ({"max_rows": 0}, "greater than or equal to 1"),
        ({"parameters": {"C": 1}}, "belong to an estimator"),
        ({"estimator": "no path"}, "pattern"),
        ({"mix": "magic"}, "'program', 'answers' or 'offset'"),
    ],
)
def test_what_cannot_be_meant_is_refused(table, says):
    """Each wrong table ends in a sentence about it."""
    with pytest.raises(ValidationError, match=says):
        EndModelSettings(**table)
