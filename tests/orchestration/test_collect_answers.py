"""The exchange on a schedule: what is brought in, put out and announced."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from prefect.events.schemas.deployment_triggers import DeploymentTriggerTypes
from pydantic import TypeAdapter

from flows.collect_answers import collect_answers
from labelpress.errors import ProjectError, ServerDownError
from labelpress.events import announce_asks
from labelpress.exchange.label_studio_api import LabelStudio
from labelpress.exchange.lines import read_lines

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="events")
def _events(monkeypatch):
    """The events that are emitted, instead of emitting them."""
    seen = []
    monkeypatch.setattr(
        "labelpress.events.emit_event", lambda event, **more: seen.append({"event": event, **more})
    )
    return seen


def _collect(project):
    return collect_answers(str(project.path), return_state=True)


def _bring(project, text):
    folder = project.path / "exchange" / "answers"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ada.csv").write_text(f"ask_id,label,annotator\n{text}")


def test_answers_come_in_and_asks_go_out(asked, events):
    """The event says how many, and of which version of the table; again there is none."""
    _bring(asked, "ask-a1,spam,ada\nask-a2,,ada\nask-b1,spma,ada\n")

    first, again = _collect(asked), _collect(asked)

    assert first.message == (
        "2 answers taken, 1 lines rejected; 4 asks written, 0 sent to Label Studio"
    )
    assert again.message.startswith("0 answers taken, 1 lines rejected; 0 asks written")
    assert [event["event"] for event in events] == ["labelpress.answers.arrived"]
    assert events[0]["resource"]["prefect.resource.id"] == "labelpress.project.reviews"
    payload = events[0]["payload"]
    assert payload.pop("batch").startswith("import:")
    assert payload == {
        "project": "reviews",
        "answers": 2,
        "skips": 1,
        "rejected": 1,
        "tool": "ada.csv",
        "answers_version": 1,
    }


def test_a_label_studio_that_is_gone_costs_no_file(asked, events, monkeypatch):
    """The files were dealt with before; the run fails and says why."""
    gone = LabelStudio("http://127.0.0.1:9", "token", pause_seconds=0.0)
    monkeypatch.setattr("tasks.exchange.label_studio_of", lambda _project: gone)
    monkeypatch.setattr("tasks.exchange.pull_label_studio.retries", 0)
    _bring(asked, "ask-a1,spam,ada\n")

    state = _collect(asked)

    with pytest.raises(ServerDownError, match="Nothing is lost"):
        state.result()
    assert asked.store.answers.read()["ask_id"].to_list() == ["ask-a1"]
    assert len(list((asked.path / "exchange" / "asks").iterdir())) == 1
    assert len(events) == 1


def test_only_a_server_that_is_down_is_tried_again(asked, events, monkeypatch):
    """A missing token is missing a minute later too; a server may be back."""
    asked.configure(
        "[experts]", '[exchange]\nlabel_studio = { url = "http://127.0.0.1:9" }\n[experts]'
    )
    monkeypatch.setattr("tasks.exchange.pull_label_studio.retry_delay_seconds", [0.1, 0.1])
    monkeypatch.setattr("tasks.exchange.push_asks", lambda *_: 6)
    tries = []

    def pull(_project, _server):
        tries.append("pull")
        if len(tries) < 3:
            raise ServerDownError("down")
        return read_lines("x.csv", b"ask_id,label,annotator\nask-a1,spam,ada\n")

    monkeypatch.setattr("tasks.exchange.pull_answers", pull)
    monkeypatch.delenv("LABEL_STUDIO_TOKEN", raising=False)
    without = _collect(asked)
    tries_without = len(tries)
    monkeypatch.setenv("LABEL_STUDIO_TOKEN", "token")
    then = _collect(asked)

    with pytest.raises(ProjectError, match="'LABEL_STUDIO_TOKEN' is empty"):
        without.result()
    assert (tries_without, len(tries)) == (0, 3)
    assert then.message.startswith("1 answers taken")
    assert then.message.endswith("6 sent to Label Studio")


def test_a_batch_of_asks_is_one_event(asked, events):
    """A rerun emits the same one, which the server knows already; another batch another."""
    asks = asked.store.asks.read().with_columns(stratum="reason")

    for batch in ("v1", "v1", "v2"):
        announce_asks("reviews", asked.store, asks, batch)

    first, again, other = (event["id"] for event in events)
    assert first == again != other
    assert events[0]["payload"]["asks"] == 6
    assert events[0]["payload"]["strata"] == {"drawn at random": 6}
    assert events[0]["payload"]["period"] == "2026-03-02"


def test_the_triggers_name_our_events():
    """Of the examples' deployments: Prefect reads them, and they wait for what we emit."""
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    found = {
        (deployment["name"], deployment["entrypoint"].rpartition(":")[2]): TypeAdapter(
            DeploymentTriggerTypes
        ).validate_python(trigger)
        for deployment in deployments
        for trigger in deployment.get("triggers", ())
    }

    expected = {
        "relabel": "labelpress.answers.arrived",
        "collect_answers": "labelpress.asks.created",
    }
    for name in ("tumour", "tickets"):
        for flow, event in expected.items():
            trigger = found[name, flow]
            assert trigger.expect == {event}
            assert trigger.match.root == {"prefect.resource.id": f"labelpress.project.{name}"}
