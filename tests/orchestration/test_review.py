"""A form in the Prefect UI: what is sent is kept at once, what is not stays open."""

from __future__ import annotations

import contextvars
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from prefect.client.orchestration import get_client
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow

from flows.review import review
from labelpress.answers import open_asks
from labelpress.asks import ExpertsSettings
from labelpress.errors import ProjectError
from labelpress.exchange.form import NOT_NOW, SKIP
from labelpress.exchange.lines import read_lines
from labelpress.exchange.taking import take_answers
from labelpress.store import open_project_store

PATIENCE = 120.0
"""Seconds for what comes at once where the machine is idle."""


@pytest.fixture(autouse=True)
def _may_leave(project):
    project.configure("[experts]", '[exchange]\ncolumns = ["text"]\n[experts]')


@pytest.fixture(name="client")
def _client():
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture(name="started")
def _started(asked, client):
    """Start a review in a thread; return how to fetch its end, and its flow run's id."""
    with ThreadPoolExecutor(1) as pool:

        def start(**parameters):
            before = {run.id for run in client.read_flow_runs()}
            context = contextvars.copy_context()
            future = pool.submit(
                context.run, lambda: review(str(asked.path), return_state=True, **parameters)
            )
            for _ in _tries():
                for run in client.read_flow_runs():
                    if run.id not in before and run.state.is_paused():
                        return future, run.id
            pytest.fail("no form came")

        yield start


def _tries():
    """Yield again and again until patience ends."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        yield
        time.sleep(0.1)


def _send(client, run, values):
    """Send a form, as the UI does, and say what became of it."""
    for _ in _tries():
        result = client.resume_flow_run(run, run_input=values)
        # The state is Paused a moment before the form is there.
        if "schema not found" not in str(result.details):
            return result.status.value
    return "NO FORM"


def _answers(project):
    frame = project.store.answers.read().sort("ask_id", "imported")
    return frame.select("ask_id", "label", "annotator", "rationale", "seconds").rows()


def _open(project):
    asks, answers = project.store.asks.read(), project.store.answers.read()
    return sorted(
        open_asks(asks, answers, datetime.now(UTC), ExpertsSettings())["row_id"].to_list()
    )


def test_a_form_sent_is_kept(asked, client, started):
    """After one that broke the rules, which was sent back and cost nothing."""
    future, run = started()
    filled = {
        "annotator": "ada",
        "ask-a1": "spam",
        "ask-a1.why": "begs",
        "ask-b1": SKIP,
        "ask-c1": NOT_NOW,
        "minutes": 1,
    }

    wrong_class = _send(client, run, filled | {"ask-a1": "spma"})
    no_name = _send(client, run, {"ask-a1": "spam"})
    nothing_yet = _answers(asked)
    sent = _send(client, run, filled)
    state = future.result(timeout=PATIENCE)

    assert (wrong_class, no_name, sent) == ("REJECT", "REJECT", "ACCEPT")
    assert nothing_yet == []
    assert state.is_completed()
    assert state.result().answers == 2
    assert _answers(asked) == [
        ("ask-a1", "spam", "ada", "begs", 30.0),
        ("ask-b1", None, "ada", None, 30.0),
    ]
    assert _open(asked) == ["a2", "b2", "c1", "c2"]


def test_a_form_nobody_sends_loses_nothing(asked, monkeypatch):
    """The run fails and says so; its asks stay open for the next."""
    monkeypatch.setattr("flows.review._SECONDS_PER_MINUTE", 1)

    state = review(str(asked.path), minutes=1, return_state=True)

    assert state.is_failed()
    assert "never resumed" in state.message
    assert _answers(asked) == []
    assert len(_open(asked)) == 6


def test_a_suspended_form_outlives_its_process(asked, client):
    """As a deployment the run ends while it waits; the answers reach a new process."""
    flow_id = client.create_flow(review)
    deployment = client.create_deployment(flow_id, "review-test", enforce_parameter_schema=False)
    made = client.create_flow_run_from_deployment(
        deployment, parameters={"project": str(asked.path), "rows": 2, "who": "ben"}
    )

    with pytest.raises(Pause):
        run_flow(review, made, made.parameters)
    waiting = client.read_flow_run(made.id).state
    # Meanwhile somebody else answers one of the two by file.
    text = b"ask_id,label,annotator\nask-a1,ham,cho\n"
    take_answers(open_project_store(asked.read()), read_lines("x.csv", text))
    sent = _send(client, made.id, {"annotator": "ben", "ask-a1": "spam", "ask-a2": "ham"})
    resumed = client.read_flow_run(made.id)
    state = run_flow(review, resumed, resumed.parameters, return_type="state")

    assert (waiting.name, sent) == ("Suspended", "ACCEPT")
    assert state.is_completed()
    assert [row[:3] for row in _answers(asked)] == [
        ("ask-a1", "ham", "cho"),
        ("ask-a1", "spam", "ben"),
        ("ask-a2", "ham", "ben"),
    ]


def test_the_form_shows_the_row_and_only_what_may_leave(asked, client, started):
    """One choice per ask, with the text of its row above."""
    future, run = started(rows=1, who="ada")

    for _ in _tries():
        found = {i.key: i.decoded_value for i in client.filter_flow_run_input(run, "", 10, set())}
        if found:
            break
    schema = next(value for key, value in found.items() if key.endswith("schema"))
    _send(client, run, {"annotator": "ada"})
    future.result(timeout=PATIENCE)

    assert list(schema["properties"]) == ["annotator", "ask-a1", "ask-a1.why", "minutes"]
    field = schema["properties"]["ask-a1"]
    assert field["enum"] == [NOT_NOW, "ham", "spam", SKIP]
    assert field["description"].startswith("subscribe to my channel")
    assert "stars" not in str(schema)
    assert schema["properties"]["annotator"]["default"] == "ada"


def test_with_nothing_open_there_is_no_form(project):
    """The run ends at once."""
    state = review(str(project.path), return_state=True)

    assert (state.name, state.is_completed()) == ("NothingOpen", True)


def test_without_declared_columns_nothing_is_sent(asked):
    """The form is kept on the Prefect server, so somebody must have said what may go there."""
    asked.configure('columns = ["text"]', "")

    state = review(str(asked.path), return_state=True)

    with pytest.raises(ProjectError, match="nothing says which columns may leave"):
        state.result()
