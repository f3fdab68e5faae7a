"""The tumour example: its data arrives week by week, and no diagnosis leaks into a heuristic."""

from __future__ import annotations

import ast
import importlib.util
import sys
import tomllib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

if TYPE_CHECKING:
    from types import ModuleType

EXAMPLE = Path(__file__).parents[2] / "examples" / "tumour"


@pytest.fixture(name="weeks", scope="module")
def _weeks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tumour_weeks", EXAMPLE / "weeks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_cases_have_stable_ids_and_both_diagnoses(weeks):
    """569 cases, numbered in the bundled order, 357 of them benign."""
    cases = weeks.cases()

    assert cases.shape == (569, 33)
    assert cases["case_id"][:2].to_list() == ["case-0001", "case-0002"]
    assert cases["case_id"][-1] == "case-0569"
    assert dict(cases["gold"].value_counts().iter_rows()) == {"benign": 357, "malignant": 212}


def test_screening_reads_the_three_measurements_only(weeks):
    """Two raised measurements say malignant, none says benign, one is undecided."""
    frame = pl.DataFrame(
        {
            "worst_area": [2000.0, 2000.0, 500.0],
            "mean_texture": [30.0, 10.0, 10.0],
            "worst_smoothness": [0.1, 0.1, 0.1],
        }
    )

    assert frame.select(weeks.screened()).to_series().to_list() == ["malignant", None, "benign"]


def test_test_cases_and_drops_share_no_case_and_miss_none(weeks):
    """30 % are held out; four drops take the rest."""
    held_out, drops = weeks.split(569)

    assert [len(held_out), *map(len, drops)] == [171, 100, 100, 99, 99]
    assert list(range(569)) == sorted([*held_out, *(row for drop in drops for row in drop)])


def test_a_week_is_written_once_and_the_same_every_time(weeks, tmp_path):
    """Writing a week again yields the same bytes and leaves no other file."""
    path = weeks.write_week(tmp_path, 0)
    first = path.read_bytes()

    assert path == weeks.write_week(tmp_path, 0)
    assert first == path.read_bytes()
    assert [found.name for found in (tmp_path / "data").iterdir()] == ["2026-01-05.parquet"]


def test_two_drops_arrive_before_the_first_period(weeks, tmp_path):
    """A period finds the drops whose Monday has come, and the test cases."""
    names = [path.name for path in weeks.write_until(tmp_path, weeks.PERIODS[0])]

    assert (date(2026, 1, 12), date(2026, 1, 19), date(2026, 1, 26)) == weeks.PERIODS
    assert names == ["test.parquet", "2026-01-05.parquet", "2026-01-12.parquet"]


def test_an_unknown_week_is_refused(weeks, tmp_path):
    """Week 4 would be the fifth drop."""
    with pytest.raises(ValueError, match="the drops are 0 to 3"):
        weeks.write_week(tmp_path, 4)


def test_features_are_the_measurements_and_nothing_else(weeks):
    """The end model sees 30 numbers, neither the id nor the screening nor the diagnosis."""
    project = tomllib.loads((EXAMPLE / "project.toml").read_text())

    features = project["end_model"]["features"]["numeric"]
    assert features == [
        name for name in weeks.cases().columns if name not in {"case_id", "screening", "gold"}
    ]


def test_no_heuristic_reads_the_diagnosis():
    """The oracle's column occurs nowhere in the heuristics' module."""
    module = ast.parse((EXAMPLE / "heuristics.py").read_text())

    words = {node.value for node in ast.walk(module) if isinstance(node, ast.Constant)}
    names = {node.attr for node in ast.walk(module) if isinstance(node, ast.Attribute)}
    assert "gold" not in words | names
