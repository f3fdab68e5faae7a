"""The set-up for production: both servers on PostgreSQL, and a deployment on a schedule."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlparse

import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter

from tests.remote.databases import database
from tests.remote.fire.servers import ROOT, PrefectServer
from tests.remote.test_mlflow_server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefect.client.schemas.objects import FlowRun

pytestmark = [
    pytest.mark.remote,
    pytest.mark.system("postgresql"),
    pytest.mark.timeout(600),
]

DEPLOYMENT = """
name: reviews
pull:
  - prefect.deployments.steps.set_working_directory:
      directory: {root}
deployments:
  - name: scheduled
    entrypoint: flows/relabel.py:relabel
    parameters: {{project: "{project}", mode: scheduled, cluster: threads}}
    schedules: [{{interval: 20}}]
    concurrency_limit: 1
    work_pool: {{name: production}}
"""


@pytest.fixture(name="addresses", scope="module")
def _addresses(tmp_path_factory) -> Iterator[tuple[str, str]]:
    """One PostgreSQL cluster with a database for MLflow and one for Prefect."""
    import asyncpg  # noqa: PLC0415  Prefect's own driver

    async def make(folder: str) -> None:
        connection = await asyncpg.connect(host=folder, user="mlflow", database="tracking")
        await connection.execute("CREATE DATABASE prefect")
        await connection.close()

    with database("postgresql", tmp_path_factory.mktemp("database")) as tracking:
        folder = parse_qs(urlparse(tracking).query)["host"][0]
        asyncio.run(make(folder))
        yield tracking, f"postgresql+asyncpg://mlflow@/prefect?host={folder}"


def test_a_deployed_scheduled_run_finishes_on_postgresql(project, addresses, tmp_path):
    """A worker takes it when its time has come; labels, Prefect and MLflow tell the same."""
    tracking, scheduling = addresses
    mlflow = Server(tmp_path, tracking)  # the first start makes some sixty migrations
    settings = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": scheduling}
    prefect = PrefectServer(tmp_path / "prefect", settings)
    project.configure("[classes]", f'[tracking]\nuri = "{mlflow.uri}"\n[classes]')
    worker = None
    try:
        _deploy(project, prefect, tmp_path)
        worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "production"],
            cwd=tmp_path,
            env=prefect.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        finished = _first_finished(prefect.port)

        assert finished.state.is_completed(), finished.state
        assert finished.auto_scheduled
        assert not list((tmp_path / "prefect").glob("*.db"))
        [version] = project.published()
        client = MlflowClient(mlflow.uri, mlflow.uri)
        experiment = client.get_experiment_by_name("reviews").experiment_id
        found = client.search_runs([experiment])
        runs = [run for run in found if run.data.tags.get("labelpress.kind") != "ledger"]
        assert [run.data.tags["labelpress.label_version"] for run in runs] == [str(version.version)]
        assert runs[0].data.tags["labelpress.period"] == version.period
    finally:
        if worker is not None:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        prefect.kill()
        mlflow.stop()


def _deploy(project, server: PrefectServer, folder) -> None:
    """Make the work pool and the deployment, as the page on operations says."""
    (folder / "prefect.yaml").write_text(DEPLOYMENT.format(root=ROOT, project=project.path))
    (folder / "flows").symlink_to(ROOT / "flows")
    for arguments in (
        ["work-pool", "create", "production", "--type", "process"],
        ["--no-prompt", "deploy", "--all"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=folder,
            env=server.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def _first_finished(port: int) -> FlowRun:
    """Wait until a flow run is over."""
    over = {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}}
    with SyncPrefectClient(f"http://127.0.0.1:{port}/api") as client:
        for _ in range(300):
            found = client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(over))
            if found:
                return found[0]
            time.sleep(1)
    pytest.fail("no scheduled run finished")
