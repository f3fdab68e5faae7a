"""Setting up a Prefect server."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments import set_up


def test_without_a_server_nothing_is_set_up(capsys):
    """Prefect would start one, deploy to it, and take it away again."""
    with temporary_settings(restore_defaults={PREFECT_API_URL}), pytest.raises(SystemExit):
        set_up.main([])

    assert "PREFECT_API_URL names no server to set up" in capsys.readouterr().err


def test_a_store_in_a_repository_that_workers_clone_is_refused(tmp_path, monkeypatch, project):
    """Each clone would hold a store of its own."""
    monkeypatch.setattr(set_up, "ROOT", tmp_path)
    deployed = {
        "pull": [{"prefect.deployments.steps.git_clone": {"repository": "r"}}],
        "deployments": [{"parameters": {"project": str(project.path)}}],
    }
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(deployed))
    assert project.path.is_relative_to(tmp_path)
    assert set_up.lost_stores() == ["reviews"]

    project.configure("[experts]", '[store]\nuri = "s3://bucket/reviews"\n[experts]')
    assert set_up.lost_stores() == []

    project.configure("s3://bucket/reviews", "store/")
    step = {"prefect.deployments.steps.set_working_directory": {"directory": "d"}}
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(deployed | {"pull": [step]}))
    assert set_up.lost_stores() == []


def test_a_block_that_is_not_there_is_no_id():
    """So that the set-up can end with a plain error before it has changed anything."""
    asked = []

    def read(name, kind):
        asked.append((kind, name))
        raise ObjectNotFound(http_exc=Exception("404"))

    assert (
        set_up.block_id(SimpleNamespace(read_block_document_by_name=read), "slack/oncall") is None
    )
    assert asked == [("slack", "oncall")]
