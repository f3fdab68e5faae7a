"""A flow that is killed at any stage: running again cures it."""

from __future__ import annotations

import importlib

import pytest

from tests.remote.fire.places import STAGES
from tests.remote.fire.proofs import wrongs
from tests.remote.fire.roles import Options
from tests.remote.fire.target import period_of

pytestmark = [pytest.mark.remote, pytest.mark.timeout(900)]
SECONDS = 180.0

CHAINS = (
    ("vote+", "publish+", "registered+", "charted+"),
    ("label+", "ask+", "booked+"),
)
"""
Places at which a run is killed, the next one at the place after it, and so on to one that ends.

A stage is killed before its work, or after it (`+`) and before anything else; here it has just
left something behind. Each run comes further than the one before, so it has cured that one's death.
"""
ALONE = (
    *("answers", "plan+", "vote+", "fit", "label+", "gate+", "publish", "publish+"),
    *("ask+", "train+", "registered+", "promote+", "booked+", "charted+"),
)
"""In the full tests, places after which the very next run ends."""


def pytest_generate_tests(metafunc):
    """Kill at each place alone where everything is to be run."""
    if "places" not in metafunc.fixturenames:
        return
    full = metafunc.config.getoption("--full")
    places = (*CHAINS, *((place,) for place in ALONE)) if full else CHAINS
    metafunc.parametrize("places", places, ids=", ".join)


def test_runs_killed_at_stages_are_cured_by_the_next(target, arena, places):
    """Though several die over one period: it is printed, booked and recorded exactly once."""
    period = period_of(0)
    target.renew(period)
    for place in places:
        killed = arena.start_run(target.path, period, Options(killed_at=place)).wait(SECONDS)
        assert killed == ("killed", ""), place

    cured = arena.start_run(target.path, period, Options()).wait(SECONDS)

    assert cured[0] == "Completed", cured
    assert wrongs(target.store, [period], target.tracking_uri, "reviews", target.row_ids()) == []


@pytest.mark.parametrize("stage", STAGES)
def test_each_place_is_in_the_code(stage):
    """Else a run would end with another error than its death, and only in the full tests."""
    module, name = STAGES[stage]

    assert callable(getattr(importlib.import_module(module), name))
