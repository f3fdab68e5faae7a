"""Erasure in MLflow: its copies of reports and verdicts name no erased row, whatever fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from labelpress.cli import app
from labelpress.erasure import told_mlflow
from labelpress.erasure.forgetting import forget_rows
from labelpress.erasure.told_mlflow import tell_mlflow
from labelpress.errors import TrackingError
from labelpress.manifest import folder
from labelpress.tracking import Tracking

SAID = "Since then the answer to row a1 was corrected, and that to row a11 was not."


@pytest.fixture(name="told")
def _told(project, cluster, tmp_path):
    """A printing whose report, verdict and description name a row, in the store and in MLflow."""
    project.configure(
        "[end_model.features]",
        f'[tracking]\nuri = "sqlite:///{tmp_path}/m.db"\n[end_model.features]',
    )
    printed = project.print(cluster)
    run, files = printed.run.id, project.store.files
    tracking = Tracking(project.read().tracking_uri, "reviews")
    mlflow_run = tracking.open_run("reviews", {"labelpress.run": run})
    tracking.write(mlflow_run, metrics={}, params={}, tags={"mlflow.note.content": SAID})
    copies = {"report.html": SAID, "gate.json": f'{{"note": "{SAID}"}}'}
    tracking.write_files(mlflow_run, copies)
    tracking.finish(mlflow_run)
    for name, text in copies.items():
        files.write_bytes(f"{folder(run)}/{name}", text.encode())
    files.write_json(f"{folder(run)}/record.json", {"mlflow_run": mlflow_run})
    return project, mlflow_run


def _in_mlflow(project, mlflow_run, tmp_path):
    client = MlflowClient(project.read().tracking_uri)
    texts = [client.get_run(mlflow_run).data.tags["mlflow.note.content"]]
    for name in told_mlflow.ARTIFACTS:
        place = client.download_artifacts(mlflow_run, name, str(tmp_path))
        texts.append(Path(place).read_text())
    return texts


def test_mlflow_names_an_erased_row_no_more(told, tmp_path, monkeypatch):
    """MLflow cannot be reached at first; the same command goes on, though all else is done."""
    project, mlflow_run = told
    ids = tmp_path / "ids.txt"
    ids.write_text("a1\n")
    command = ["forget", str(project.path), "--ids", str(ids), "--who", "kim", "--why", "asked"]

    def down(*_args):
        raise TrackingError("MLflow cannot be reached.")

    with monkeypatch.context() as patch:
        patch.setattr(Tracking, "write_files", down)
        failed = CliRunner().invoke(app, command)
    assert failed.exit_code == 1
    assert all("row a1 " in text for text in _in_mlflow(project, mlflow_run, tmp_path))

    done = CliRunner().invoke(app, command)

    assert done.exit_code == 0, done.output
    texts = _in_mlflow(project, mlflow_run, tmp_path)
    assert not [text for text in texts if "row a1 " in text]
    assert "to row a11 was not" in texts[0]
    monkeypatch.setattr(Tracking, "write_files", down)  # and it is not told again
    again = forget_rows(project.store, ["a1"], who="kim", why="asked")
    tell_mlflow(project.read(), project.store, again.erasure, ["a1"])
