"""Workers that die, and a partition that kills each worker that takes it."""

from __future__ import annotations

import os
import signal

import dask
import pytest

from labelpress.cluster import open_cluster
from labelpress.errors import PartitionsFailedError

pytestmark = [pytest.mark.remote, pytest.mark.timeout(240)]
ITEMS = {f"part-{number}": number for number in range(12)}


@pytest.fixture(name="workers", scope="module")
def _workers():
    """Two worker processes that come back when they die."""
    with open_cluster(workers=2) as cluster:
        yield cluster


def deadly(item, shared):
    """Kill the worker on partition 5: once where there is a folder for a note, else always."""
    if item == 5:
        note = shared and os.path.join(shared, "killed")  # noqa: PTH118
        if not note or not os.path.exists(note):  # noqa: PTH110
            if note:
                with open(note, "w"):  # noqa: PTH123
                    pass
            os.kill(os.getpid(), signal.SIGKILL)
    return item * 10


def test_a_killed_worker_costs_no_partition(workers, tmp_path):
    """What it had and had not finished is there once, under the right name."""
    done = workers.map(_by_value(), ITEMS, str(tmp_path))

    assert (tmp_path / "killed").exists()
    assert done == {name: number * 10 for name, number in ITEMS.items()}


def test_a_partition_that_kills_every_worker_is_named_alone(workers):
    """Its neighbours on the dead workers are tried again and done."""
    workers.take_usage()

    with pytest.raises(PartitionsFailedError) as caught:
        workers.map(_by_value(), ITEMS, "")

    assert str(caught.value).startswith("1 of 12 partitions failed: part-5: each worker")
    table = workers.take_usage().table
    assert {row.part for row in table if row.state == "done"} == set(ITEMS) - {"part-5"}


def test_a_worker_that_is_being_started_again_is_not_given_up(tmp_path):
    """Dask looks for it after a while, and let the only one go that was just coming back."""
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "50ms"}),
        open_cluster(workers=1) as cluster,
    ):
        done = cluster.map(_by_value(), ITEMS, str(tmp_path))

    assert set(done) == set(ITEMS)


def _by_value():
    # No worker can import this test; what is defined in a function travels whole.
    import types  # noqa: PLC0415

    names = {"os": os, "signal": signal, "__builtins__": __builtins__}
    return types.FunctionType(deadly.__code__, names, "deadly")
