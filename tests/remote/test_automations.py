"""The automations that set_up.py makes, on a real Prefect server: an event, and what follows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from prefect.automations import Automation
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.set_up import alarms, block_id, put, zombies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect.client.orchestration import SyncPrefectClient

pytestmark = [pytest.mark.remote, pytest.mark.timeout(300)]

PATIENCE = 120.0

SAY = """
from types import SimpleNamespace

from labelpress.events import announce

store = SimpleNamespace(uri="here")
held = {"link": "the/run", "reasons": ["churn is 40 %", "coverage fell"]}
announce("reviews", store, "labelpress.labels.held", "1", held, {"labelpress.held-again": "false"})
announce("reviews", store, "labelpress.labels.held", "2", held, {"labelpress.held-again": "true"})
announce("other", store, "labelpress.labels.held", "3", held, {"labelpress.held-again": "true"})
old = {"published": "2026-03-02", "age_hours": 300.5}
announce("reviews", store, "labelpress.labels.stale", "4", old)
"""

DIE = """
import time

from prefect import flow, tags
from prefect.states import Completed

@flow
def held():
    return Completed(name="Held")

@flow
def dying():
    time.sleep(600)

with tags("labelpress"):
    held(return_state=True)
    dying()
"""


@pytest.fixture(name="client")
def _client(arena) -> Iterator[SyncPrefectClient]:
    """A client of the server, which is everybody's in this process."""
    url = f"http://127.0.0.1:{arena.server.port}/api"
    with temporary_settings({PREFECT_API_URL: url}), get_client(sync_client=True) as client:
        yield client


def test_a_person_is_told_of_held_and_stale_labels(arena, client):
    """Once each, with the reasons and the way to the run; of no other project."""
    with _pager() as (address, told):
        CustomWebhookNotificationBlock(
            name="oncall", url=address, json_data={"said": "{{subject}}", "more": "{{body}}"}
        ).save("oncall")
        notify = block_id(client, "custom-webhook/oncall")
        for automation in alarms("reviews", notify) * 2:  # again it changes nothing
            put(automation)
        subprocess.run([sys.executable, "-c", SAY], env=arena.server.environment, check=True)
        _wait(lambda: len(told) >= 3)
        time.sleep(1)  # for what must not come

    assert sorted(told) == [
        ("Labels of reviews: held", "the/run\nchurn is 40 %\ncoverage fell"),
        ("Labels of reviews: held twice in a row", "the/run\nchurn is 40 %\ncoverage fell"),
        ("Labels of reviews: stale", "Last published 2026-03-02, 300.5 h ago."),
    ]


def test_a_run_whose_process_died_is_crashed(arena, client):
    """A held run, which ended in the same minute, stays what it is."""
    with _impatient():
        process = subprocess.Popen([sys.executable, "-c", DIE], env=arena.server.environment)
        try:
            _wait(lambda: _said(client) >= 2)
        finally:
            process.kill()
            process.wait()

        _wait(lambda: _state(client, "dying") == "Crashed")
    assert _state(client, "held") == "Held"


@contextmanager
def _impatient() -> Iterator[None]:
    """Have the automation for ten seconds' silence, and not for the runs of later tests."""
    automation = zombies(within=timedelta(seconds=10))
    put(automation)
    try:
        yield
    finally:
        Automation.read(name=automation.name).delete()


def _said(client: SyncPrefectClient) -> int:
    """Return how many runs have said that they live."""
    wanted = {"filter": {"event": {"name": ["prefect.flow-run.heartbeat"]}}}
    return client.request("POST", "/events/filter", json=wanted).json()["total"]


def _state(client: SyncPrefectClient, flow: str) -> str:
    """Return the name of the state of a flow's only run."""
    of_flow = FlowFilter.model_validate({"name": {"any_": [flow]}})
    [run] = client.read_flow_runs(flow_filter=of_flow)
    return run.state.name


@contextmanager
def _pager() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """A web hook that keeps what it is sent."""
    told: list[tuple[str, str]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            sent = json.loads(self.rfile.read(length))
            told.append((sent["said"], sent["more"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _wait(ready) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.5)
