"""Two runs of one period start at the same instant; `make test-fire` does it a hundred times."""

from __future__ import annotations

import pytest

from tests.remote.fire.doubles import fire
from tests.remote.fire.trials import Range

TIMES = 2
pytestmark = [pytest.mark.remote, pytest.mark.timeout(500)]


def test_on_a_disk_one_is_printed(arena, tmp_path):
    """The other says which version it found."""
    shots = Range(tmp_path)

    firings = [fire(arena, shots) for _ in range(TIMES)]

    assert [firing.wrong for firing in firings] == [[]] * TIMES


def test_in_a_bucket_one_is_printed(arena, tmp_path, endpoint, folder):
    """The conditional put decides; the other says which version it found."""
    shots = Range(tmp_path)

    firings = [fire(arena, shots, endpoint, folder) for _ in range(TIMES)]

    assert [firing.wrong for firing in firings] == [[]] * TIMES
