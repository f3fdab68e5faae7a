"""What automations may wait for: emitted when it happens, once however often it is said."""

from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace

import polars as pl
import pytest
import yaml
from prefect.settings.models.flows import FlowsSettings

from deployments.set_up import STATES_WITHOUT_HEARTBEAT, alarms, zombies
from flows.rollback import rollback
from flows.watch import watch
from labelpress.announcements import announce_held, announce_model
from labelpress.stages.promote import Promotion
from labelpress.tables.versions import LabelVersion


@pytest.fixture(name="events")
def _events(monkeypatch):
    """The events that are emitted, instead of emitting them."""
    seen = []
    monkeypatch.setattr(
        "labelpress.events.emit_event", lambda event, **more: seen.append({"event": event, **more})
    )
    return seen


@pytest.fixture(name="run")
def _run(asked):
    """A run as far as announcements look at it."""
    return SimpleNamespace(project=asked.read(), store=asked.store, base=None, link="page")


def test_a_held_run_says_whether_it_is_the_first(run, events):
    """By a label of its resource, which automations can match; the payload they cannot."""
    manifest = SimpleNamespace(run="r1", period="2026-03-09", printing=1)

    announce_held(run, manifest, ["churn"], ["2026-03-09"])
    announce_held(run, manifest, ["churn"], ["2026-03-02", "2026-03-09"])

    assert [e["event"] for e in events] == ["labelpress.labels.held"] * 2
    again = [e["resource"]["labelpress.held-again"] for e in events]
    assert again == ["false", "true"]
    assert events[1]["payload"]["held_periods"] == ["2026-03-02", "2026-03-09"]


def test_only_a_champion_is_announced(run, events):
    """A challenger changes nothing for those who serve a model."""
    version = LabelVersion(3, "r", "2026-03-02", 1, "printing", None, {})

    for role in ("challenger", "champion"):
        announce_model(run, version, Promotion("7", role, "better"))

    assert [e["event"] for e in events] == ["labelpress.model.promoted"]
    assert events[0]["payload"]["model"] == "7"
    assert events[0]["payload"]["label_version"] == 3


def test_stale_labels_are_said_once_for_each_time(project, cluster, events, monkeypatch):
    """Fresh ones are not; looking twice is the same event."""
    project.print(cluster)
    fresh = watch(str(project.path), return_state=True)
    monkeypatch.setattr("labelpress.periods._LENGTHS", {"1w": _Moment()})

    stale = watch(str(project.path), return_state=True)

    assert (fresh.name, stale.name) == ("Fresh", "Stale")
    assert {e["event"] for e in events} == {"labelpress.labels.stale"}
    assert events[0]["payload"]["period"] == "2026-03-02"


class _Moment:
    """A period so short that any publication is old."""

    def __rmul__(self, _number):
        return timedelta(microseconds=1)


def test_before_the_first_printing_nothing_is_stale(project, events):
    """A new project alarms nobody, and watching it makes no store."""
    state = watch(str(project.path), return_state=True)

    assert (state.name, events) == ("NothingPublished", [])
    assert not (project.path / "store").exists()


def test_a_rollback_is_a_publication_too(project, cluster, events):
    """Its kind tells it from a printing."""
    first = project.print(cluster)
    day = project.frame("day-1.parquet").with_columns(id=pl.format("new-{}", "id"))
    project.write("day-4.parquet", day)
    project.print(cluster, "2026-03-09")

    restored = rollback(str(project.path), first.version.version, "ada", "wrong day")

    assert [e["event"] for e in events] == ["labelpress.labels.published"]
    assert events[0]["payload"]["kind"] == "restore"
    assert events[0]["payload"]["label_version"] == restored.version


def test_no_state_that_our_flows_end_with_looks_like_death(request):
    """An event bears a state's name: one that is missing would be set to Crashed."""
    root = request.config.rootpath
    named = set()
    for path in (root / "flows").glob("*.py"):
        named |= set(re.findall(r'Completed\(\s*name="(\w+)"', path.read_text()))
    ends = {event.rpartition(".")[2] for event in zombies().trigger.expect}

    assert {"Held", "Untrained"} <= named
    assert named | set(STATES_WITHOUT_HEARTBEAT) <= ends


def test_a_run_that_is_alive_is_never_taken_for_dead():
    """By Prefect's default it says so every 180 s: one such word may be late, or lost."""
    beat = timedelta(seconds=FlowsSettings().heartbeat_frequency)

    assert zombies().trigger.within > 2 * beat


def test_alarms_match_what_is_emitted():
    """Held, held twice and stale; without a block to send through there are none."""
    block = "6f8c3f9e-0000-4000-8000-000000000000"
    made = {a.name: a.trigger for a in alarms("tickets", block)}

    assert alarms("tickets", None) == []
    assert [name.partition(" tickets ")[2] for name in made] == [
        "held",
        "held twice in a row",
        "stale",
    ]
    assert [next(iter(t.expect)) for t in made.values()] == [
        "labelpress.labels.held",
        "labelpress.labels.held",
        "labelpress.labels.stale",
    ]


@pytest.mark.parametrize("file", ["prefect.yaml", "starter/prefect.yaml"])
def test_every_flow_is_deployed(request, file):
    """One at a time each, with the schema of its form enforced."""
    root = request.config.rootpath
    deployments = yaml.safe_load((root / file).read_text())["deployments"]
    files = {f"flows/{path.name}" for path in (root / "flows").glob("[!_]*.py")}

    assert {d["entrypoint"].partition(":")[0] for d in deployments} == files
    assert all(d["enforce_parameter_schema"] for d in deployments)
    assert all(d["concurrency_limit"]["limit"] == 1 for d in deployments)
