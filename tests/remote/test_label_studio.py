"""
A real Label Studio: a batch goes out, annotations come home, killing the server loses nothing.

`pip install label-studio` into an environment of its own (it wants other versions than we do) and
name its command in LABEL_STUDIO, or have it on the path. Written against 1.23.2.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from labelpress.answers import open_asks
from labelpress.asks import ExpertsSettings
from labelpress.errors import ExchangeError, ServerDownError
from labelpress.exchange.label_studio import pull_answers, push_asks
from labelpress.exchange.label_studio_api import LabelStudio
from labelpress.exchange.taking import take_answers
from labelpress.store import open_project_store
from tests.programs import find_program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.remote, pytest.mark.system("label-studio"), pytest.mark.timeout(600)]
TOKEN = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105  of this server alone
STARTING_SECONDS = 300


class Server:
    """A Label Studio on a port of its own, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._folder = folder
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["--no-browser", "--port", str(self._port), "--internal-host", "127.0.0.1"]
        person = ["--username", "ada@example.org", "--password", "only-for-this-test"]
        settings = {
            "LABEL_STUDIO_BASE_DATA_DIR": str(self._folder),
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "COLLECT_ANALYTICS": "false",
            "LATEST_VERSION_CHECK": "false",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
        }
        without_ours = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [str(find_program("label-studio")), "start", *options, *person, "--user-token", TOKEN],
            cwd=self._folder,
            env=without_ours | settings,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + STARTING_SECONDS
        while True:
            try:
                if httpx.get(f"{self.url}/health", timeout=2).is_success:
                    return
            except httpx.HTTPError:
                pass
            assert self._process.poll() is None, "Label Studio ended"
            assert time.monotonic() < until, "Label Studio does not answer"
            time.sleep(0.5)

    def kill(self) -> None:
        """Take it away without a word."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def label_studio(self, token: str = TOKEN) -> LabelStudio:
        """Return how labelpress connects to it."""
        return LabelStudio(self.url, token, pause_seconds=0.1)

    def call(self, method: str, path: str, **more: object) -> httpx.Response:
        """Do what a person does in the browser."""
        headers = {"Authorization": f"Token {TOKEN}"}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, **more)

    def annotate(self, task: int, label: str | None, *, skipped: bool = False) -> None:
        """Let ada annotate or skip a task."""
        body = {
            "result": [
                {
                    "from_name": "label",
                    "to_name": "show_column_text",
                    "type": "choices",
                    "value": {"choices": [label]},
                },
                {
                    "from_name": "rationale",
                    "to_name": "show_column_text",
                    "type": "textarea",
                    "value": {"text": ["it begs"]},
                },
            ]
            if label
            else [],
            "lead_time": 12.5,
            "was_cancelled": skipped,
        }
        self.call("POST", f"/api/tasks/{task}/annotations", json=body).raise_for_status()


@pytest.fixture(name="server")
def _server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("label-studio"))
    yield server
    server.kill()


def test_a_batch_goes_out_and_comes_home_through_a_crash(asked, server):
    """Pushed twice, killed, pushed with a new class, annotated, skipped, pulled twice."""
    asked.configure("[experts]", '[exchange]\ncolumns = ["text"]\n[experts]')
    project = asked.read()
    store = open_project_store(project)

    def push():
        waiting = open_asks(
            store.asks.read(), store.answers.read(), datetime.now(UTC), ExpertsSettings()
        )
        return push_asks(project, store, server.label_studio(), waiting)

    def pull():
        return take_answers(store, pull_answers(project, server.label_studio()), late=True)

    with pytest.raises(ExchangeError, match="refuses the token"):
        pull_answers(project, server.label_studio("f" * 40))
    assert pull().answers == 0  # there is no project yet

    assert (push(), push()) == (6, 0)
    (made,) = server.call("GET", "/api/projects").json()["results"]
    assert made["title"] == "reviews"
    assert made["parsed_label_config"]["label"]["labels"] == ["ham", "spam"]

    server.kill()
    with pytest.raises(ServerDownError, match="cannot be reached"):
        push()
    server.start()
    asked.configure('names = ["ham", "spam"]', 'names = ["ham", "spam", "eggs"]')
    project = asked.read()
    store = open_project_store(project)
    assert push() == 0
    (made,) = server.call("GET", "/api/projects").json()["results"]
    assert made["parsed_label_config"]["label"]["labels"] == ["ham", "spam", "eggs"]

    params = {"project": made["id"], "fields": "all"}
    tasks = server.call("GET", "/api/tasks", params=params).json()["tasks"]
    by_ask = {task["data"]["ask_id"]: task["id"] for task in tasks}
    assert sorted(tasks[0]["data"]) == ["ask_id", "column_text", "reason"]
    server.annotate(by_ask["ask-a1"], "spam")
    server.annotate(by_ask["ask-b1"], "eggs")
    server.annotate(by_ask["ask-c1"], None, skipped=True)

    first, again = pull(), pull()

    assert (first.answers, first.skips, again.answers, again.repeated) == (3, 1, 0, 3)
    columns = ("ask_id", "label", "annotator", "seconds", "seconds_source", "rationale", "tool")
    assert store.answers.read().sort("ask_id").select(columns).rows() == [
        ("ask-a1", "spam", "ada@example.org", 12.5, "measured", "it begs", "label-studio"),
        ("ask-b1", "eggs", "ada@example.org", 12.5, "measured", "it begs", "label-studio"),
        ("ask-c1", None, "ada@example.org", 12.5, "measured", None, "label-studio"),
    ]
    assert push() == 0

    access = server.call("POST", "/api/token/").json()["token"]
    assert access.count(".") == 2
    assert pull_answers(project, server.label_studio(access)).lines.height == 3
