"""A real MLflow server: each printing is tracked once, whatever is repeated, held or undone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pytest
from mlflow import MlflowClient

from labelpress.errors import TrackingError
from labelpress.ledger import sum_costs
from labelpress.manifest import read_manifest
from labelpress.report.facts import read_facts
from labelpress.stages.promote import promote_model
from labelpress.stages.record import record_run
from labelpress.stages.train import register_model, train_model
from labelpress.tracking import Tracking
from tests.remote.databases import BACK_ENDS, database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST, SECOND, THIRD = "2026-03-02", "2026-03-09", "2026-03-16"
STARTING_SECONDS = 240
FLOW_RUN = "6f1d3e2a-0000-4000-8000-000000000001"
PAGE = f"http://127.0.0.1:4200/runs/flow-run/{FLOW_RUN}"
COSTS = {
    f"cost.{name}_usd" for name in ("total", "expert", "compute", "saved", "hand", "cumulative")
}


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


@pytest.fixture(scope="module", params=BACK_ENDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server over SQLite, and one over PostgreSQL."""
    folder = tmp_path_factory.mktemp("mlflow")
    with database(request.param, folder) as backend:
        running = Server(folder, backend)
        yield running
        running.stop()


def _finish(printed, tracking, cluster):
    """Do what follows a publication, or a held candidate, as the flow does."""
    run = replace(printed.run, flow_run=FLOW_RUN, link=PAGE)
    manifest, version = printed.gated.manifest, printed.version
    trained = promotion = None
    if version is not None:
        trained = train_model(run, manifest, printed.candidate.answers, cluster)
        model = register_model(manifest, version, trained, tracking)
        promotion = promote_model(run, manifest, version, model, trained, tracking, cluster)
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
    # answers by which a first model beats the class prior
    project.draw_by(seed=2)
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
    return held.gated.manifest


def test_each_printing_is_one_run(project, cluster, server):
    """Two periods, a retry, a held run and a rollback: exactly these runs, inputs and aliases."""
    held = _scenario(project, cluster, server.uri)

    client = MlflowClient(server.uri, server.uri)
    experiment = client.get_experiment_by_name("reviews").experiment_id
    runs = client.search_runs([experiment])
    told = {run.info.run_name: run for run in runs}
    assert sorted(told) == sorted(
        ["reviews ledger", f"{FIRST} printing 1", f"{SECOND} printing 1", f"{THIRD} held"]
    )
    assert len(runs) == 4
    assert {run.info.status for run in runs} == {"FINISHED"}
    first, second = project.published()[:2]
    for version, run in (
        (first, told[f"{FIRST} printing 1"]),
        (second, told[f"{SECOND} printing 1"]),
    ):
        manifest = read_manifest(project.store.files, version.run)
        assert _inputs(run) == {
            ("source", "source", manifest.source_digest),
            ("labels", "labels", f"v{version.version}-{version.run}"),
        }
        _check_tags(run, version.run, version.period, "1", str(version.version))
        assert run.data.tags["labelpress.verdict"] == "published"
        judged = read_facts(project.store, version.run).model.accuracy is not None
        assert _names(manifest, judged=judged) <= set(run.data.metrics)
        assert run.data.metrics["labels.rows"] == manifest.rows
        assert run.data.metrics["votes.cells_reused"] == manifest.cells_reused
        kept = {item.path for item in client.list_artifacts(run.info.run_id)}
        assert {"report.html", "gate.json", "label_model.json", "figures", "model"} <= kept
        figures = {item.path for item in client.list_artifacts(run.info.run_id, "figures")}
        assert {"figures/cost.svg", "figures/heuristics.svg"} <= figures
    run = told[f"{THIRD} held"]
    assert _inputs(run) == {("source", "source", held.source_digest)}
    _check_tags(run, held.run, THIRD, "held", "")
    assert run.data.tags["labelpress.verdict"] == "held"
    assert _names(held, judged=False) <= set(run.data.metrics)
    models = client.search_model_versions("name = 'reviews'")
    assert sorted(m.tags["labelpress.label_version"] for m in models) == sorted(
        str(version.version) for version in (first, second)
    )
    decided = project.store.decisions.read().filter(pl.col("kind") == "champion")
    assert client.get_model_version_by_alias("reviews", "champion").version == decided["model"][-1]
    (points,) = {
        tuple(point.step for point in client.get_metric_history(ledger.info.run_id, name))
        for ledger in [told["reviews ledger"]]
        for name in COSTS
    }
    assert points == (1, 2, 3)


def _inputs(run):
    return {
        (item.dataset.name, item.tags[0].value, item.dataset.digest)
        for item in run.inputs.dataset_inputs
    }


def _check_tags(run, ours, period, printing, version):
    wanted = {
        "labelpress.project": "reviews",
        "labelpress.period": period,
        "labelpress.printing": printing,
        "labelpress.label_version": version,
        "labelpress.run": ours,
        "prefect.flow_run": PAGE,
        "prefect.flow_run_id": FLOW_RUN,
    }
    assert wanted.items() <= run.data.tags.items()


def _names(manifest, *, judged):
    """Return the metrics that a run must have; an accuracy only where audits were answered."""
    names = {"labels.coverage", "labels.conflict", "votes.cells_computed", "votes.cells_reused"}
    names |= COSTS
    if manifest.base_version is not None:
        names.add("labels.churn")
    if manifest.certificate["estimate"] is not None:
        names |= {"labels.accuracy", "labels.accuracy_low", "labels.accuracy_high"}
    if manifest.cells_computed:
        names.add("votes.rows_per_second")
    for note in manifest.heuristics:
        names |= {f"heuristic.{note.name}.coverage", f"heuristic.{note.name}.seconds"}
    for lift in manifest.lifts:
        kinds = [kind for kind in ("precision", "lift") if lift.get(kind) is not None]
        words = {"precision": "accuracy", "lift": "lift"}
        names |= {f"heuristic.{lift['heuristic']}.{words[kind]}" for kind in kinds}
    return names | ({"model.accuracy", "model.f1", "model.log_loss"} if judged else set())


def test_hundreds_of_heuristics_are_logged(server):
    """More figures than a server takes in one request, under names that are not ASCII."""
    tracking = Tracking(server.uri, "many")
    run = tracking.open_run("2026-03-02 printing 1", {"labelpress.period": FIRST})
    figures = {f"heuristic.größe_{n}.coverage": n / 2000 for n in range(1500)}

    tracking.write(run, metrics=figures, params={}, tags={})

    client = MlflowClient(server.uri, server.uri)
    assert client.get_run(run).data.metrics == pytest.approx(figures)


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
    assert tracking.chart() == (
        f"{server.uri}/#/experiments/{experiment}/runs/{ledger.info.run_id}/model-metrics"
    )
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
