"""A flow that is killed at any stage: running again cures it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).with_name("killed_run.py")
FIRST = "2026-03-02"
pytestmark = [pytest.mark.remote, pytest.mark.timeout(900)]

PLACES = (
    *("answers", "plan+", "vote+", "fit", "label+", "gate+", "publish", "publish+"),
    *("ask+", "train+", "registered+", "promote+", "booked+", "charted+"),
)
"""A stage is killed before its work, or after it (`+`) and before anything else."""
TELLING = ("vote+", "label+", "publish+", "ask+", "registered+", "booked+", "charted+")
"""Where something has just been left behind; the others take `make test-full`."""


@pytest.fixture(name="environment", scope="module")
def _environment(tmp_path_factory):
    """A Prefect server that is kept warm, and the environment that leads to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect")),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api/health")
        yield environment
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(url: str) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"no server at {url}")


def _run(environment, project, *arguments):
    return subprocess.run(
        [sys.executable, str(RUNNER), str(project.path), *arguments],
        env=environment,
        cwd=project.path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def _check(project, periods):
    store = project.store
    versions = store.labels.versions()
    assert [(v.period, v.printing) for v in versions] == [(period, 1) for period in periods]
    for version in versions:
        labels = store.labels.read(version.version).collect()
        assert labels["row_id"].is_unique().all()
    asks = store.asks.read()
    assert asks["ask_id"].is_unique().all()
    assert asks["row_id"].is_unique().all()
    answers = store.answers.read()
    assert answers.select("ask_id", "annotator").is_unique().all()
    ledger = store.ledger.read()
    assert ledger.drop("booked").is_unique().all()
    spent = ledger.filter(pl.col("what") == "answers")["quantity"].sum()
    assert spent == answers.height
    client = MlflowClient(tracking_uri=project.read().tracking_uri)
    experiment = client.get_experiment_by_name("reviews")
    runs = client.search_runs([experiment.experiment_id])
    printings = [r for r in runs if r.data.tags.get("labelpress.kind") != "ledger"]
    assert sorted(r.data.tags["labelpress.period"] for r in printings) == periods
    assert {run.info.status for run in runs} == {"FINISHED"}
    models = client.search_model_versions("name = 'reviews'")
    trained_on = sorted(int(m.tags["labelpress.label_version"]) for m in models)
    assert trained_on == [version.version for version in versions]
    decided = store.decisions.read().filter(pl.col("kind").is_in(["champion", "challenger"]))
    assert sorted(decided["label_version"].to_list()) == trained_on


def test_a_run_killed_at_each_stage_is_cured_by_the_next(project, environment, request):
    """One period after the other is killed at another place; each is printed exactly once."""
    places = PLACES if request.config.getoption("--full") else TELLING
    periods = [_monday(week) for week in range(len(places))]
    cured = ""
    for week, (period, where) in enumerate(zip(periods, places, strict=True)):
        project.write(
            f"week-{week:02d}.parquet",
            [(f"w{week}x{n}", text, stars, gold) for n, (text, stars, gold) in enumerate(ROWS)],
        )
        killed = _run(environment, project, cured, period, where)

        assert killed.returncode == -signal.SIGKILL, f"{where}: {killed.stderr[-2000:]}"
        assert ("CURED" in killed.stdout) == bool(cured)
        cured = period
    last = _run(environment, project, cured, "", "")

    assert last.returncode == 0, last.stderr[-2000:]
    _check(project, periods)


ROWS = [
    ("subscribe to me", 1, "spam"),
    ("lovely", 5, "ham"),
    ("WHAT A MORNING", 1, "spam"),
    ("it grew on me over the years", 4, "ham"),
]


def _monday(week: int) -> str:
    return (date(2026, 3, 2) + timedelta(weeks=week)).isoformat()


def test_two_runs_of_one_period_at_once_print_once(project, environment):
    """One publishes; the other ends cleanly and says which version it found."""
    code = (
        "from flows.relabel import relabel; "
        f"state = relabel({str(project.path)!r}, period={FIRST!r}, cluster='threads', "
        "return_state=True); print('STATE', state.name, state.message)"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=environment,
            cwd=project.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [racer.communicate(timeout=180) for racer in racers]

    states = sorted(out.partition("STATE ")[2].strip() for out, _ in said)
    assert states[0].startswith("Completed"), said
    assert states[1].startswith("Unchanged"), said
    assert "label version 1" in states[1]
    assert [(v.period, v.printing) for v in project.published()] == [(FIRST, 1)]
