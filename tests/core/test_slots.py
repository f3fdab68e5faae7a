"""Slots: what a run of a period has to do, given what is published."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from labelpress.errors import PublicationRefusedError
from labelpress.slots import find_slot


@dataclass(frozen=True)
class Version:
    """What a slot looks at in a label version."""

    version: int
    period: str
    printing: int


HISTORY = (
    Version(1, "2026-03-02", 1),
    Version(2, "2026-03-09", 1),
    Version(3, "2026-03-09", 2),
)


def _slot(period, mode="scheduled", versions=HISTORY, *, unfinished=False, same_request=False):
    slot = find_slot(versions, period, mode, unfinished=unfinished, same_request=same_request)
    return slot.printing, slot.action, slot.version.version if slot.version else None


@pytest.mark.parametrize("mode", ["scheduled", "reprint", "dry-run"])
def test_the_first_run_prints(mode):
    """Nothing is published yet."""
    assert _slot("2026-03-02", mode, ()) == (1, "print", None)


@pytest.mark.parametrize("mode", ["scheduled", "reprint", "dry-run"])
def test_a_new_period_is_printed(mode):
    """Whatever the mode, and whatever was left unfinished before."""
    assert _slot("2026-03-16", mode, unfinished=True) == (1, "print", None)


def test_a_printed_period_is_left_alone_by_the_schedule():
    """It has its labels."""
    assert _slot("2026-03-09") == (2, "nothing", 3)


def test_what_a_killed_run_left_unfinished_is_taken_up():
    """Publishing nothing is not doing nothing."""
    assert _slot("2026-03-09", unfinished=True) == (2, "resume", 3)


def test_a_reprint_prints_once_more():
    """Somebody edited a heuristic."""
    assert _slot("2026-03-09", "reprint") == (3, "print", None)


def test_a_reprint_of_the_same_request_finishes_the_first():
    """A retried flow run must not print the same once more."""
    assert _slot("2026-03-09", "reprint", unfinished=True, same_request=True) == (2, "resume", 3)
    assert _slot("2026-03-09", "reprint", unfinished=True) == (3, "print", None)


def test_a_dry_run_looks_at_the_next_printing():
    """It never resumes."""
    assert _slot("2026-03-09", "dry-run", unfinished=True) == (3, "print", None)


def test_an_old_period_is_left_alone_by_the_schedule():
    """A late run of a period that is printed has nothing to do."""
    assert _slot("2026-03-02") == (1, "nothing", 1)


@pytest.mark.parametrize(
    ("period", "mode"),
    [("2026-03-02", "reprint"), ("2026-02-23", "scheduled"), ("2026-02-23", "dry-run")],
)
def test_the_past_is_not_printed(period, mode):
    """It is restored."""
    with pytest.raises(PublicationRefusedError, match=f"'{period}' lies before .*'2026-03-09'"):
        _slot(period, mode)


def test_after_a_rollback_the_period_stays_printed():
    """The restored version names the period that it restores."""
    restored = (*HISTORY, Version(4, "2026-03-02", 1))

    assert _slot("2026-03-09", versions=restored, unfinished=True) == (2, "nothing", 3)
    assert _slot("2026-03-09", "reprint", restored) == (3, "print", None)
