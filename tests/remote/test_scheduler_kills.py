"""A scheduler that is killed under each way to work: an error in words, never a hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from threading import Thread

import pytest
from distributed import Client

from labelpress.cluster import open_cluster
from labelpress.errors import ClusterError

pytestmark = [pytest.mark.remote, pytest.mark.timeout(120)]

SCHEDULER = """
import asyncio, signal, sys
from distributed import Scheduler, Worker

async def serve():
    async with Scheduler(host="127.0.0.1", port=int(sys.argv[1]), dashboard=False) as scheduler:
        async with Worker(scheduler.address, nthreads=1) as worker:
            asyncio.get_running_loop().add_signal_handler(
                signal.SIGUSR1, lambda: asyncio.ensure_future(worker.close())
            )
            print(scheduler.address, flush=True)
            await scheduler.finished()

asyncio.run(serve())
"""
ITEMS = {f"part {number}": number for number in range(30)}
DEADLY = 6


class Killable:
    """A scheduler with a worker in one process, at an address that it keeps."""

    def __init__(self, port, death):
        self.address = f"tcp://127.0.0.1:{port}"
        self._port = port
        self.start(DEADLY, death)

    def start(self, deadly=-1, death=signal.SIGKILL):
        """Start it and wait until it serves; work at the deadly item sends it the signal."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", SCHEDULER, str(self._port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"DEADLY": str(deadly), "DEATH": str(int(death))},
            text=True,
        )
        assert self._process.stdout.readline().strip() == self.address

    def end(self):
        """Wait until it is dead."""
        self._process.wait()
        self._process.stdout.close()

    def kill(self):
        """Kill it at once."""
        self._process.kill()
        self.end()


@pytest.fixture(name="death")
def _death():
    """What is sent to the process of the scheduler in the middle of the items."""
    return signal.SIGKILL


@pytest.fixture(name="scheduler")
def _scheduler(free_ports, death):
    """A scheduler that dies in the middle of the items."""
    scheduler = Killable(free_ports[0], death)
    yield scheduler
    scheduler.kill()


def _by_value(function):
    """Let a function travel whole, since the worker cannot import this test."""
    function.__module__ = "__main__"
    return function


@_by_value
def slow(number, *_shared):
    """Work for a while; the deadly item strikes the process of its worker, the scheduler's too."""
    time.sleep(0.05)
    if number == int(os.environ["DEADLY"]):
        os.kill(os.getpid(), int(os.environ["DEATH"]))
    return number


@_by_value
def added(state, number, *_shared):
    """Carry a state on."""
    return state + number


WAYS = {
    "map": lambda cluster: cluster.map(slow, ITEMS, "shared"),
    "gather": lambda cluster: cluster.gather(slow, sum, ITEMS),
    "chain": lambda cluster: cluster.chain(slow, added, ITEMS, 0),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_killed_scheduler_is_named(scheduler, way):
    """Whatever was being waited for, in a chain and in a gathering as in a map."""
    with open_cluster(scheduler.address) as cluster:
        cluster._client._timeout = 1.0  # after which Dask gives up to mend the connection
        with pytest.raises(ClusterError, match=f"scheduler at {scheduler.address} went away"):
            WAYS[way](cluster)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_scheduler_that_comes_back_never_heard_of_is_not_waited_for(
    scheduler, way, monkeypatch
):
    """In a map it is sent again; a gathering and a chain are given up."""
    mend = Client._reconnect

    async def forgetful(client):
        """Lose what is submitted between the client's last look at its futures and the clearing."""
        client.futures.clear()
        await mend(client)

    def back_again():
        scheduler.end()
        scheduler.start()

    with open_cluster(scheduler.address) as cluster:
        monkeypatch.setattr(Client, "_reconnect", forgetful)
        starter = Thread(target=back_again)
        starter.start()
        if way == "map":
            assert WAYS[way](cluster) == ITEMS
        else:
            with pytest.raises(ClusterError, match="went away"):
                WAYS[way](cluster)
        starter.join()


def test_a_connection_that_is_never_mended_nor_given_up_is(scheduler, monkeypatch):
    """Dask's client may stay between the two for ever; then we give it up."""
    monkeypatch.setattr("labelpress.cluster.running._MENDING_SECONDS", 0.5)

    async def never(_client):
        """Do nothing about it."""

    with open_cluster(scheduler.address) as cluster:
        cluster._client._timeout = 1.0
        monkeypatch.setattr(Client, "_reconnect", never)
        with pytest.raises(ClusterError, match="went away"):
            cluster.map(slow, ITEMS, "shared")


@pytest.mark.parametrize("death", [signal.SIGUSR1], ids=["its worker leaves"])
@pytest.mark.parametrize("way", WAYS)
def test_work_does_not_wait_for_ever_where_no_worker_is_left(scheduler, way):
    """The scheduler is there, but nobody works for it: the run ends and says so."""
    with (
        open_cluster(scheduler.address, wait_seconds=1) as cluster,
        pytest.raises(ClusterError, match="no worker for 1 s"),
    ):
        WAYS[way](cluster)
