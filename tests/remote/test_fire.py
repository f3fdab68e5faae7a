"""One trial under fire per victim; `make test-fire` makes hundreds and keeps their results."""

from __future__ import annotations

import pytest

from tests.remote.fire.trials import VICTIMS, Range, make_trial

pytestmark = [pytest.mark.remote, pytest.mark.timeout(600)]


@pytest.fixture(name="shots", scope="module")
def _shots(tmp_path_factory):
    """Projects to shoot at."""
    return Range(tmp_path_factory.mktemp("range"))


@pytest.mark.parametrize("seed", range(len(VICTIMS)), ids=VICTIMS)
def test_what_was_killed_at_a_random_moment_is_cured(arena, shots, seed):
    """Every period has one version, no row twice or lost; ledger and MLflow agree."""
    trial = make_trial(arena, shots, seed)

    assert trial.wrong == [], trial
