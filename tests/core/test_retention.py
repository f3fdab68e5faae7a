"""Retention: which versions and runs stay, as a table of cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from labelpress.errors import ProjectError
from labelpress.project import parse_settings
from labelpress.retention import RetentionSettings, RunTraces, runs_to_keep, versions_to_keep
from labelpress.tables.versions import LabelVersion

NOW = datetime(2028, 6, 1, tzinfo=UTC)


def _version(number, *, days, removed=None):
    moment = NOW - timedelta(days=days)
    return LabelVersion(number, f"r{number}", "2026-01-05", 1, "printing", moment, {}, removed)


AGES = {1: 900, 2: 800, 3: 700, 4: 600, 5: 10}


@pytest.mark.parametrize(
    ("settings", "champions", "kept"),
    [
        ({"keep_days": 1, "keep_versions": 1}, (), {5}),
        ({"keep_days": 1, "keep_versions": 2}, (), {4, 5}),
        ({"keep_days": 730, "keep_versions": 1}, (), {3, 4, 5}),
        ({"keep_days": 1, "keep_versions": 1}, (2,), {2, 5}),
        ({"keep_days": 1, "keep_versions": 1, "orphan_days": 11}, (), {4, 5}),
        ({}, (), {1, 2, 3, 4, 5}),
    ],
)
def test_a_version_stays_for_its_age_its_place_or_its_model(settings, champions, kept):
    """The last ones, the young ones and those that a champion learnt from."""
    versions = [_version(number, days=days) for number, days in AGES.items()]
    assert versions_to_keep(versions, RetentionSettings(**settings), NOW, champions) == kept


def test_what_was_removed_takes_no_place():
    """Three of the last are kept, not three of which one is gone."""
    versions = [_version(n, days=d, removed=NOW if n == 4 else None) for n, d in AGES.items()]
    settings = RetentionSettings(keep_days=1, keep_versions=3)
    assert versions_to_keep(versions, settings, NOW, ()) == {2, 3, 5}


@pytest.mark.parametrize(
    ("days", "base", "candidate", "waits", "stays"),
    [
        (1, None, False, False, True),  # may be going on
        (30, None, False, False, False),  # crashed
        (30, 5, True, False, True),  # held, and can be promoted
        (30, 4, True, False, False),  # held, but the version it was compared with is past
        (30, None, False, True, True),  # MLflow does not know of it
    ],
)
def test_a_run_without_a_version_stays_while_it_is_needed(days, base, candidate, waits, stays):
    """It is going on, can be promoted, or waits for MLflow."""
    run = RunTraces("r", base, candidate, waits, NOW - timedelta(days=days))
    kept = runs_to_keep([run], {"r5"}, {"r5"}, 5, NOW - timedelta(days=7))
    assert kept == ({"r"} if stays else set())


def test_nothing_may_be_kept_for_no_time():
    """The message names the key."""
    text = (
        'name = "x"\n[source]\nuri = "d"\nid = "id"\n[classes]\nnames = ["a", "b"]\n'
        "[retention]\nkeep_versions = 0\n"
    )
    with pytest.raises(ProjectError, match=r"\[retention\] keep_versions = 0"):
        parse_settings(text)
