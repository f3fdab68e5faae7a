"""Dask workers that have the wheel and nothing else, in another folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from distributed import Client

from labelpress.cluster import open_cluster
from labelpress.errors import ClusterError
from labelpress.stages.train import train_model

ROOT = Path(__file__).parents[2]
FIRST, SECOND = "2026-03-02", "2026-03-09"
pytestmark = pytest.mark.remote


@pytest.fixture(name="wheel", scope="module")
def _wheel(tmp_path_factory):
    """The wheel, unpacked where no checkout is."""
    built, target = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "wheel", *options, "--wheel-dir", str(built), str(ROOT)], check=True)
    [file] = built.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(file)], check=True)
    return target


@pytest.fixture(name="address")
def _address(wheel, tmp_path):
    """A scheduler and two workers as processes that cannot import the checkout."""
    folder, note = tmp_path / "elsewhere", tmp_path / "scheduler.json"
    folder.mkdir()
    # Without the site module no .pth file is read, and so the checkout is not importable.
    environment = os.environ | {"PYTHONPATH": f"{wheel}:{sysconfig.get_paths()['purelib']}"}
    python = [sys.executable, "-S", "-m", "dask"]
    where = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(note)]
    worker = [*python, "worker", "--nthreads", "1", "--no-nanny", *where]
    commands = [
        [*python, "scheduler", "--port", "0", *where],
        [*worker, "--name", "one"],
        [*worker, "--name", "two"],
    ]
    processes = [
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    try:
        deadline = time.monotonic() + 60
        while not note.exists() or not note.read_text():
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.2)
        address = json.loads(note.read_text())["address"]
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_the_stages_run_there(project, address, wheel):
    """Two periods, with a helper beside heuristics.py that no worker has on its disk."""
    (project.path / "polite.py").write_text("def thanks(text):\n    return 'thank' in text\n")
    source = (project.path / "heuristics.py").read_text()
    polite = """
from polite import thanks

@heuristic(label="ham")
def polite(row):
    return thanks(row.text)
"""
    project.heuristics(source + polite)

    def importable():
        # Defined in here, so that it travels by value: no worker can import this test.
        from importlib.util import find_spec  # noqa: PLC0415

        specs = {name: find_spec(name) for name in ("labelpress", "flows", "tasks")}
        return {name: spec.origin if spec else None for name, spec in specs.items()}

    with Client(address, set_as_default=False) as client:
        seen = client.run(importable)
    for origins in seen.values():
        assert origins["labelpress"].startswith(str(wheel))
        assert origins["flows"] is None
        assert origins["tasks"] is None

    # answers among which is that of the one row without a vote
    project.draw_by(seed=9)
    with open_cluster(address) as cluster:
        project.print(cluster, FIRST)
        project.write("day-4.parquet", [("d1", "thank you for this song", 3, "ham")])
        printed = project.print(cluster, SECOND)
        trained = train_model(
            printed.run, printed.gated.manifest, printed.candidate.answers, cluster
        )

    assert [v.period for v in project.published()] == [FIRST, SECOND]
    assert printed.gated.manifest.cells_computed == 5
    assert printed.labels.filter(printed.labels["row_id"] == "d1")["label"].to_list() == ["ham"]
    assert trained is not None
    assert trained.rows == 13


def test_workers_of_another_version_are_refused_as_a_run_connects(address, wheel):
    """With both versions and the worker, before anything is sent."""
    [metadata] = wheel.glob("labelpress-*.dist-info/METADATA")
    genuine = metadata.read_text()
    metadata.write_text(genuine.replace("Version: 0.1.0", "Version: 0.0.9"))
    try:
        with (
            pytest.raises(ClusterError, match=r"labelpress is 0\.1\.0 .* 0\.0\.9 on tcp://"),
            open_cluster(address),
        ):
            pass
    finally:
        metadata.write_text(genuine)
