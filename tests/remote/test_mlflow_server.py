"""A real MLflow server: each printing is tracked once, whatever is repeated, held or undone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

import polars as pl
import pytest
from mlflow import MlflowClient

from labelpress.errors import TrackingError
from labelpress.ledger import sum_costs
from labelpress.stages.promote import promote_model
from labelpress.stages.record import record_run
from labelpress.stages.train import register_model, train_model
from labelpress.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST, SECOND, THIRD = "2026-03-02", "2026-03-09", "2026-03-16"
STARTING_SECONDS = 90


class Server:
    """An MLflow server on a port of its own, which can be stopped and started again."""

    def __init__(self, folder: Path, backend: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}"
        self._folder, self._backend = folder, backend
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--workers",
            "1",
        ]
        command += ["--port", str(self._port), "--backend-store-uri", self._backend]
        command += ["--artifacts-destination", (self._folder / "artifacts").as_uri()]
        self._process = subprocess.Popen(
            command,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + STARTING_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=2):
                    return
            except OSError:
                assert self._process.poll() is None, "the MLflow server ended at once"
                assert time.monotonic() < until, "the MLflow server did not come up"
                time.sleep(0.2)

    def stop(self) -> None:
        """Kill it and its children."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over SQLite."""
    folder = tmp_path_factory.mktemp("mlflow")
    running = Server(folder, f"sqlite:///{folder / 'mlflow.db'}")
    yield running
    running.stop()


def _finish(printed, tracking, cluster):
    """Do what follows a publication, or a held candidate, as the flow does."""
    run, manifest, version = printed.run, printed.gated.manifest, printed.version
    trained = promotion = None
    if version is not None:
        trained = train_model(run, manifest, printed.candidate.answers, cluster)
        model = register_model(manifest, version, trained, tracking)
        promotion = promote_model(run, version, model, trained, tracking)
    return record_run(
        run,
        manifest,
        tracking,
        version=version,
        held=printed.gated.held,
        trained=trained,
        promotion=promotion,
        asks=0,
    )


def _scenario(project, cluster, uri):
    """Print two periods, the second with a retry; hold a third; roll back."""
    tracking = Tracking(uri, "reviews")
    _finish(project.print(cluster, FIRST), tracking, cluster)
    project.write(
        "day-4.parquet", project.frame("day-1.parquet").with_columns(id="d" + pl.col("id"))
    )
    second = project.print(cluster, SECOND)
    _finish(second, tracking, cluster)
    _finish(second, Tracking(uri, "reviews"), cluster)
    project.edit('< 12, label="ham"', '< 30, label="spam"')
    project.edit('>= 4, label="ham"', '>= 1, label="spam"')
    held = project.print(cluster, THIRD)
    assert held.gated.held
    _finish(held, tracking, cluster)
    project.store.labels.restore(
        project.published()[0].version, "wrong day", "ada", base_version=second.version.version
    )
    return tracking


def test_each_printing_is_one_run(project, cluster, server):
    """Two periods, a retry, a held run and a rollback: exactly these runs, inputs and aliases."""
    _scenario(project, cluster, server.uri)

    client = MlflowClient(server.uri, server.uri)
    experiment = client.get_experiment_by_name("reviews").experiment_id
    runs = client.search_runs([experiment])
    told = {run.info.run_name: run for run in runs}
    assert sorted(told) == sorted(
        ["reviews ledger", f"{FIRST} printing 1", f"{SECOND} printing 1", f"{THIRD} held"]
    )
    assert len(runs) == 4
    assert {run.info.status for run in runs} == {"FINISHED"}
    printing, held = told[f"{SECOND} printing 1"], told[f"{THIRD} held"]
    inputs = [item.dataset for item in printing.inputs.dataset_inputs]
    assert sorted(dataset.name for dataset in inputs) == ["labels", "source"]
    assert [item.dataset.name for item in held.inputs.dataset_inputs] == ["source"]
    assert held.data.tags["labelpress.verdict"] == "held"
    models = client.search_model_versions("name = 'reviews'")
    assert {m.tags["labelpress.label_version"] for m in models} == {
        printing.data.tags["labelpress.label_version"],
        told[f"{FIRST} printing 1"].data.tags["labelpress.label_version"],
    }
    champion = client.get_model_version_by_alias("reviews", "champion")
    decided = project.store.decisions.read().filter(pl.col("kind") == "champion")
    assert champion.version == decided["model"][-1]
    kept = {item.path for item in client.list_artifacts(printing.info.run_id)}
    assert {"report.html", "gate.json", "label_model.json"} <= kept


def test_the_ledger_run_agrees_with_the_ledger(project, cluster, server, tmp_path):
    """To the cent, one point per period and metric."""
    project.configure('name = "reviews"', 'name = "priced"')
    tracking = Tracking(server.uri, "priced")
    for period in (FIRST, SECOND):
        _finish(project.print(cluster, period), tracking, cluster)

    client = MlflowClient(server.uri, server.uri)
    experiment = client.get_experiment_by_name("priced").experiment_id
    (ledger,) = client.search_runs([experiment], "tags.`labelpress.kind` = 'ledger'")
    booked = project.store.ledger.read()
    for name in ("total_usd", "expert_usd", "compute_usd", "hand_usd", "saved_usd"):
        history = client.get_metric_history(ledger.info.run_id, f"cost.{name}")
        assert [point.step for point in history] == [1, 2]
        for point, period in zip(history, (FIRST, SECOND), strict=True):
            costs = sum_costs(booked.filter(pl.col("period") == period))
            assert point.value == pytest.approx(getattr(costs, name), abs=0.005)


def test_a_server_that_goes_down_costs_no_label(project, cluster, server):
    """The labels stand, the record is in the store, and the next run sends it."""
    project.configure('name = "reviews"', 'name = "patient"')
    tracking = Tracking(server.uri, "patient")
    printed = project.print(cluster, FIRST)
    trained = train_model(printed.run, printed.gated.manifest, printed.candidate.answers, cluster)
    server.stop()
    try:
        with pytest.raises(
            TrackingError, match=r"Label version \d+ is published .* next run sends"
        ):
            record_run(
                printed.run,
                printed.gated.manifest,
                tracking,
                version=printed.version,
                held=(),
                trained=trained,
                promotion=None,
                asks=0,
            )
        assert project.published() == (printed.version,)
        report = f"runs/{printed.gated.manifest.run}/report.html"
        assert b"<html" in project.store.files.read_bytes(report)
    finally:
        server.start()

    assert project.open(FIRST).slot.action == "resume"
    _finish(printed, Tracking(server.uri, "patient"), cluster)

    client = MlflowClient(server.uri, server.uri)
    experiment = client.get_experiment_by_name("patient").experiment_id
    names = [run.info.run_name for run in client.search_runs([experiment])]
    assert sorted(names) == [f"{FIRST} printing 1", "patient ledger"]
    assert project.open(FIRST).slot.action == "nothing"
