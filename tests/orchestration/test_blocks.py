"""Blocks: Prefect's own rules for them, and what a project makes of their values."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points
from pathlib import Path
from urllib.request import urlopen

import pytest
from prefect.client.orchestration import get_client
from prefect.testing import standard_test_suites
from prefect.testing.standard_test_suites import BlockStandardTestSuite

from flows.relabel import relabel
from flows.watch import watch
from labelpress.blocks import CostRates, LabelStore, LabelStudio, open_project
from labelpress.cli.opening import open_here
from labelpress.errors import ProjectError
from labelpress.exchange.label_studio import label_studio_of

LOGO = Path(__file__).parents[2] / "docs" / "logo.png"
SECRET = "planted-5f1e"  # noqa: S105  nobody's


@pytest.mark.parametrize("block", [LabelStore, CostRates, LabelStudio])
class TestStandards(BlockStandardTestSuite):
    """What Prefect asks of the blocks of a collection."""

    @pytest.fixture(autouse=True)
    def _logo(self, monkeypatch):
        """The logo lies in docs; its address there is the published one."""
        path = standard_test_suites.blocks
        monkeypatch.setattr(path, "urlopen", lambda _url: urlopen(LOGO.as_uri()))

    @pytest.fixture
    def block(self, block):
        """The suite wants a fixture; the mark above fills it."""
        return block


@pytest.fixture(name="stored", scope="module")
def _stored():
    LabelStore(
        uri="s3://acme-labels/reviews", storage_options={"AWS_SECRET_ACCESS_KEY": SECRET}
    ).save("acme")
    CostRates(expert_usd_per_hour=90.0).save("acme")
    LabelStudio(url="https://studio.acme.example", token=SECRET).save("acme")


@pytest.fixture(name="named")
def _named(project, stored):
    project.configure(
        "[experts]",
        '[store]\nblock = "acme"\n[costs]\nblock = "acme"\ncore_usd_per_hour = 1.0\n'
        '[exchange]\nlabel_studio = { block = "acme" }\n[experts]',
    )
    return project


def test_prefect_finds_them_by_the_entry_point():
    """The module that it names is ours."""
    found = entry_points(group="prefect.collections")

    assert "labelpress.blocks" in {entry.value for entry in found}


@pytest.mark.parametrize("opened", [open_project, open_here])
def test_a_project_takes_what_its_blocks_say(named, opened):
    """But what project.toml says itself stands; a command line sees the same."""
    project = opened(str(named.path))

    assert project.store_uri == "s3://acme-labels/reviews"
    assert project.settings.store.storage_options == {"AWS_SECRET_ACCESS_KEY": SECRET}
    assert project.settings.costs.expert_usd_per_hour == 90.0
    assert project.settings.costs.core_usd_per_hour == 1.0
    assert label_studio_of(project).url == "https://studio.acme.example"


def test_a_secret_is_in_no_text_of_a_project(named):
    """Whatever prints a project, its settings or its files."""
    project = open_project(str(named.path))

    said = repr(project) + repr(project.settings) + str(project.bundle.files)
    said += repr(LabelStudio.load("acme")) + repr(LabelStore.load("acme"))

    assert SECRET not in said


def test_a_missing_block_is_named_with_its_key(project):
    """And with what to do."""
    project.configure("[experts]", '[store]\nblock = "nowhere"\n[experts]')

    with pytest.raises(ProjectError, match=r"\[store\] block: Prefect has no block label-store"):
        open_project(str(project.path))


def test_a_run_that_fails_tells_no_secret(named, caplog, capfd):
    """The bucket of the block cannot be reached: neither message nor log shows how it is opened."""
    named.configure("[store]\nblock", '[store]\nuri = "s3://no-such-bucket-here/x"\nblock')
    (named.path / "project.toml").write_text(
        (named.path / "project.toml")
        .read_text()
        .replace(
            'block = "acme"\n[costs]',
            'block = "acme"\nstorage_options = { AWS_ENDPOINT_URL = "http://127.0.0.1:9", '
            'AWS_ALLOW_HTTP = "true", AWS_REGION = "us-east-1", AWS_ACCESS_KEY_ID = "k", '
            'max_retries = "0", retry_timeout = "1s" }\n[costs]',
        )
    )
    with caplog.at_level(logging.DEBUG):
        state = watch(str(named.path), return_state=True)

    printed = capfd.readouterr()
    assert state.is_failed()
    assert SECRET not in str(state) + caplog.text + printed.out + printed.err


def test_a_run_that_publishes_leaves_no_secret_anywhere(named, caplog, capfd):
    """Neither in the store and MLflow nor in what Prefect keeps: runs, artifacts, logs, events."""
    named.configure("[store]\nblock", '[store]\nuri = "store/"\nblock')
    with caplog.at_level(logging.DEBUG):
        state = relabel(str(named.path), period="2026-03-02", cluster="threads", return_state=True)

    printed = capfd.readouterr()
    assert state.is_completed()
    assert len(named.published()) == 1
    assert SECRET not in caplog.text + printed.out + printed.err
    files = [path for path in named.path.rglob("*") if path.is_file()]
    assert "mlflow.db" in {path.name for path in files}
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    with get_client(sync_client=True) as client:
        for kept in ("flow_runs", "task_runs", "artifacts", "logs", "events"):
            answer = client.request("POST", f"/{kept}/filter", json={})
            assert SECRET not in answer.text, kept
