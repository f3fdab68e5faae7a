"""A repository of one's own, out of the wheel: deployed, scheduled, run and stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from mlflow import MlflowClient
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowRunFilter
from prefect.exceptions import PrefectHTTPStatusError

from labelpress.store import Store

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.remote, pytest.mark.timeout(580)]


@pytest.fixture(name="python", scope="module")
def _python(tmp_path_factory):
    """An interpreter with the wheel, and with our packages but for the checkout."""
    built, folder = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("venv")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(built)]
    subprocess.run([*pip, "wheel", *options, str(ROOT)], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [wheel] = built.glob("*.whl")
    [site] = (folder / "lib").glob("python*/site-packages")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    # Of a folder that a .pth file adds, the .pth files are not read: the checkout stays away.
    (site / "ours.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin" / "python"


@pytest.fixture(name="own", scope="module")
def _own(python, tmp_path_factory):
    """What `labelpress init` wrote."""
    folder = tmp_path_factory.mktemp("own") / "my labels"
    subprocess.run([python, "-c", _CLI, "init", str(folder)], check=True)
    return folder


_CLI = "from labelpress.cli import app; app()"


def test_what_init_wrote_stands_alone(python, own):
    """The path is in the pull step, the data is there, and the project passes its check."""
    checked = subprocess.run(
        [python, "-c", _CLI, "check", str(own / "project")],
        check=False,
        capture_output=True,
        text=True,
    )

    assert checked.returncode == 0, checked.stderr
    assert f'directory: "{own}"' in (own / "prefect.yaml").read_text()
    assert not list(own.rglob("__pycache__"))
    assert {path.name for path in own.iterdir()} >= {".github", ".gitignore", "Makefile", "tasks"}


def test_a_folder_that_is_not_empty_is_left_alone(python, own):
    """Whatever is in it."""
    again = subprocess.run(
        [python, "-c", _CLI, "init", str(own)], check=False, capture_output=True, text=True
    )

    assert again.returncode == 1
    assert "nothing was written" in again.stderr


def test_everything_is_deployed_and_runs(python, own, free_ports, tmp_path):
    """
    One command starts it; runs are scheduled; one publishes; answers start one; SIGTERM ends it.

    Scheduled runs are what fails, in silence, where Prefect's server and SQLAlchemy do not match.
    """
    prefect, mlflow = free_ports
    environment = os.environ | {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PATH": f"{python.parent}:{os.environ['PATH']}",
    }
    environment.pop("PREFECT_API_URL", None)
    command = [str(python), str(own / "deployments" / "local.py")]
    ports = ["--prefect-port", str(prefect), "--mlflow-port", str(mlflow)]
    log = (tmp_path / "log").open("wb")
    local = subprocess.Popen([*command, *ports], env=environment, stdout=log, stderr=log)
    deadline = time.monotonic() + 480
    try:
        _wait(lambda: b"Ctrl-C stops" in (tmp_path / "log").read_bytes(), local, tmp_path, deadline)
        # Prefect's own client asks again where the server, still busy, says 503.
        with SyncPrefectClient(f"http://127.0.0.1:{prefect}/api") as client:
            by_flow = {_flow_name(entry): entry.id for entry in client.read_deployments()}
            made = client.create_flow_run_from_deployment(
                by_flow["relabel"], parameters={"cluster": "threads"}
            )
            with pytest.raises(PrefectHTTPStatusError) as refused:
                client.create_flow_run_from_deployment(
                    by_flow["relabel"], parameters={"period": "second of March"}
                )
            _wait(lambda: _state(client, made).is_final(), local, tmp_path, deadline)
            state = _state(client, made)
            client.request("POST", "/events", json=[_arrived()])
            _wait(lambda: _started_by_automation(client), local, tmp_path, deadline)
            [reprint] = _started_by_automation(client)
            scheduled = {
                run.deployment_id for run in client.read_flow_runs(flow_run_filter=_SCHEDULED)
            }
            automations = {entry.name for entry in client.read_automations()}
            writers = client.read_global_concurrency_limit_by_name("labelpress:starter")
            types = {entry.slug for entry in client.read_block_types()}
    finally:
        local.send_signal(signal.SIGTERM)
        local.wait(timeout=60)
        log.close()

    assert set(by_flow) >= _STORIES
    assert state.is_completed(), (tmp_path / "log").read_text()[-4000:]
    assert reprint.deployment_id == by_flow["relabel"]
    assert reprint.parameters["mode"] == "reprint"
    assert refused.value.response.status_code == 409
    assert "period" in refused.value.response.text
    assert scheduled >= {by_flow[flow] for flow in ("relabel", "collect_answers", "watch")}
    assert "labelpress: crash runs without a heartbeat" in automations
    assert writers.limit == 1
    assert {"label-store", "cost-rates", "label-studio"} <= types
    assert (own / "project" / "store" / "labels").is_dir()
    for port in (prefect, mlflow):
        with pytest.raises(OSError, match=r"refused"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=5)


@pytest.mark.system("git")
def test_a_worker_elsewhere_clones_it_and_runs_from_the_clone(python, own, arena, tmp_path):
    """In the folder, and with the environment, that the deployment's job variables name."""
    kept, work, bare = tmp_path / "kept", tmp_path / "work", tmp_path / "labels.git"
    _repository(own, tmp_path / "mine", kept, work, bare)
    environment = arena.server.environment | {"PATH": f"{python.parent}:{os.environ['PATH']}"}
    del environment["PYTHONPATH"]  # so that what is not in the clone comes out of the wheel
    prefect = [str(python), "-m", "prefect"]
    for words in (
        ["work-pool", "create", "cloned", "--type", "process"],
        ["--no-prompt", "deploy", "--all"],
    ):
        subprocess.run([*prefect, *words], cwd=tmp_path / "mine", env=environment, check=True)
    shutil.rmtree(tmp_path / "mine")
    (tmp_path / "elsewhere").mkdir()
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen(
            [*prefect, "worker", "start", "--pool", "cloned"],
            cwd=tmp_path / "elsewhere",
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        with SyncPrefectClient(arena.server.environment["PREFECT_API_URL"]) as client:
            deployment = client.read_deployment_by_name("relabel/starter")
            made = client.create_flow_run_from_deployment(
                deployment.id, parameters={"cluster": "threads"}
            )
            deadline = time.monotonic() + 240
            _wait(lambda: _state(client, made).is_final(), worker, tmp_path, deadline)
            state = _state(client, made)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()

    assert state.is_completed(), (tmp_path / "log").read_text()[-4000:]
    assert (work / "labels-main" / "flows" / "relabel.py").is_file()
    assert not list((work / "labels-main").rglob("store"))
    [version] = Store(str(kept / "store")).labels.versions()
    assert version.version == 1
    client = MlflowClient(tracking_uri=f"sqlite:///{kept / 'tracking.db'}")
    assert client.get_experiment_by_name("starter") is not None


def _repository(own, mine, kept, work, bare):
    """Make a bare repository of it, whose data and store lie outside; leave its working tree."""
    shutil.copytree(own, mine)
    kept.mkdir()
    work.mkdir()
    shutil.move(mine / "project" / "data", kept / "data")
    settings = mine / "project" / "project.toml"
    text = settings.read_text()
    for folder in ("data", "store"):
        text = text.replace(f'uri = "{folder}/"', f'uri = "{kept / folder}"')
    settings.write_text(text)
    deployed = yaml.safe_load((mine / "prefect.yaml").read_text())
    clone = {"repository": f"file://{bare}", "branch": "main"}
    deployed["pull"] = [{"prefect.deployments.steps.git_clone": clone}]
    relabel = deployed["deployments"][0] | {"schedules": [], "triggers": []}
    variables = {
        "env": {"MLFLOW_TRACKING_URI": f"sqlite:///{kept / 'tracking.db'}"},
        "working_dir": str(work),
    }
    relabel["work_pool"] = {"name": "cloned", "job_variables": variables}
    deployed["deployments"] = [relabel]
    (mine / "prefect.yaml").write_text(yaml.safe_dump(deployed))
    git = ["git", "-c", "user.name=kim", "-c", "user.email=kim@labels.example"]
    for words in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "."],
        ["commit", "--quiet", "--message", "Print labels"],
        ["clone", "--quiet", "--bare", ".", str(bare)],
    ):
        subprocess.run([*git, *words], cwd=mine, check=True)


_STORIES = {
    *("relabel", "promote", "rollback", "lift", "review", "audit"),
    *("collect_answers", "retrain", "maintain", "watch"),
}
_RELABEL = FlowFilter.model_validate({"name": {"any_": ["relabel"]}})
_SCHEDULED = FlowRunFilter.model_validate({"state": {"type": {"any_": ["SCHEDULED"]}}})


def _flow_name(deployment):
    return deployment.entrypoint.rpartition(":")[2]


def _arrived():
    """What a flow emits when answers have come in."""
    return {
        "event": "labelpress.answers.arrived",
        "resource": {"prefect.resource.id": "labelpress.project.starter"},
        "occurred": datetime.now(UTC).isoformat(),
        "id": str(uuid4()),
    }


def _started_by_automation(client):
    runs = client.read_flow_runs(flow_filter=_RELABEL)
    return [run for run in runs if run.created_by and run.created_by.type == "AUTOMATION"]


def _state(client, run):
    return client.read_flow_run(run.id).state


def _wait(ready, process, folder, deadline):
    while not ready():
        log = (folder / "log").read_text()[-4000:]
        assert process.poll() is None, log
        assert time.monotonic() < deadline, log
        time.sleep(1)
