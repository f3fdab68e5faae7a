"""Label Studio: only the batch goes out, each answer comes home once, and failures lose nothing."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from labelpress.answers import open_asks
from labelpress.asks import ExpertsSettings
from labelpress.errors import ExchangeError, ProjectError, ServerDownError
from labelpress.exchange.label_studio import (
    data_key,
    label_studio_of,
    labelling_config,
    pull_answers,
    push_asks,
)
from labelpress.exchange.label_studio_api import LabelStudio
from labelpress.exchange.taking import take_answers
from labelpress.store import open_project_store


@pytest.fixture(name="exchange")
def _exchange(asked, studio):
    """Push or pull between the asked project, which lets `text` leave, and the fake server."""
    asked.configure("[experts]", '[exchange]\ncolumns = ["text"]\n[experts]')
    store = open_project_store(asked.read())

    class Exchange:
        def push(self):
            waiting = open_asks(
                store.asks.read(), store.answers.read(), datetime.now(UTC), ExpertsSettings()
            )
            return push_asks(asked.read(), store, studio.server(), waiting)

        def pull(self):
            return take_answers(store, pull_answers(asked.read(), studio.server()), late=True)

        def answers(self):
            columns = ("ask_id", "label", "annotator", "seconds", "seconds_source", "rationale")
            return store.answers.read().sort("ask_id", "annotator").select(columns).rows()

    return Exchange()


def _asked_of(studio):
    return [task["data"]["ask_id"] for task in studio.tasks]


def test_the_configuration_shows_each_column_as_plain_text():
    """Names and classes are escaped; one choice is required, a reason is not."""
    written = labelling_config(["the text", "a&b"], ["ham", '<"spam">'])
    config = ET.fromstring(written)  # noqa: S314  our own

    assert [text.get("value") for text in config.iter("Text")] == [
        f"${data_key('the text')}",
        f"${data_key('a&b')}",
    ]
    assert [choice.get("value") for choice in config.iter("Choice")] == ["ham", '<"spam">']
    choices = next(config.iter("Choices"))
    assert (choices.get("choice"), choices.get("required")) == ("single", "true")


def test_columns_of_similar_names_stay_apart():
    """And the name is one that the configuration can refer to."""
    assert data_key("a b") == "column_a_20_b"
    assert data_key("a_b") != data_key("a b")
    assert data_key("naïve").isascii()


def test_only_the_batch_and_the_declared_columns_leave(exchange, studio):
    """Neither the row's id, nor another row, nor another column."""
    assert exchange.push() == 6

    assert studio.tasks[0]["data"] == {
        "ask_id": "ask-a1",
        "reason": "drawn at random",
        "column_text": "subscribe to my channel",
    }
    assert studio.projects[0]["title"] == "reviews"


def test_pushing_again_sends_nothing(exchange, studio):
    """The server is asked what it has."""
    exchange.push()

    assert exchange.push() == 0
    assert len(studio.tasks) == 6
    assert len(studio.projects) == 1


def test_a_new_class_reaches_the_configuration(exchange, studio, asked):
    """Before tasks are sent that may need it."""
    exchange.push()
    studio.projects[0]["label_config"] = "<View/>"

    exchange.push()

    assert "Choice" in studio.projects[0]["label_config"]


def test_annotations_come_home_by_ask_id(exchange, studio):
    """With who, how long as measured, and why; a cancelled one is a skip."""
    exchange.push()
    studio.annotate(0, "spam")
    studio.annotate(1, None, user=7)

    assert exchange.pull().answers == 2
    assert exchange.answers() == [
        ("ask-a1", "spam", "ada@example.org", 7.5, "measured", "a reason"),
        ("ask-a2", None, "user 7", 7.5, "measured", None),
    ]


def test_pulling_again_takes_nothing(exchange, studio):
    """And what was answered is not sent again."""
    exchange.push()
    studio.annotate(0, "spam")
    exchange.pull()

    again = exchange.pull()

    assert (again.answers, again.repeated) == (0, 1)
    assert exchange.push() == 0


def test_foreign_tasks_and_foreign_classes_do_no_harm(exchange, studio):
    """Somebody else's tasks are left alone; a class that is none is listed."""
    exchange.push()
    studio.tasks.append({"id": 99, "data": {"text": "theirs"}, "annotations": [{"id": 1}]})
    studio.annotate(0, "eggs")

    taken = exchange.pull()

    assert taken.answers == 0
    assert taken.rejected["refused"].to_list() == ["no such class 'eggs'."]


def test_pages_are_read_to_the_end(exchange, studio):
    """Two hundred tasks come in pages."""
    exchange.push()
    studio.tasks += [{"id": n, "data": {"ask_id": f"x{n}"}, "annotations": []} for n in range(200)]
    studio.tasks.append(studio.tasks.pop(0))
    studio.annotate(len(studio.tasks) - 1, "spam")

    assert exchange.pull().answers == 1


class TestFailures:
    """A server that answers 500, hangs up, or is gone."""

    def test_reading_is_tried_again(self, exchange, studio):
        """Twice it fails, then it goes on as if nothing had been."""
        studio.fail = {"/api/tasks": [500, 0]}

        assert exchange.push() == 6

    def test_writing_is_not_repeated_blindly(self, exchange, studio):
        """The import happened although 500 was answered: the next run sees it and sends nothing."""
        studio.fail = {"/import": [-500]}

        with pytest.raises(ServerDownError, match=r"with 500.*Nothing is lost"):
            exchange.push()

        assert exchange.push() == 0
        assert sorted(_asked_of(studio)) == sorted(set(_asked_of(studio)))
        assert len(studio.tasks) == 6

    def test_an_import_that_failed_is_sent_by_the_next_run(self, exchange, studio):
        """Nothing was sent, nothing is missing afterwards."""
        studio.fail = {"/import": [503]}
        with pytest.raises(ServerDownError):
            exchange.push()

        assert exchange.push() == 6

    def test_a_server_that_goes_in_the_middle_of_a_reading(self, exchange, studio):
        """Nothing half is taken; the annotations are there when it is back."""
        exchange.push()
        studio.annotate(0, "spam")
        studio.fail = {"/api/tasks": [0, 0, 0]}
        with pytest.raises(ServerDownError, match="cannot be reached"):
            exchange.pull()
        assert exchange.answers() == []

        assert exchange.pull().answers == 1

    def test_a_server_that_is_gone(self, asked):
        """The error says what happens next."""
        gone = LabelStudio("http://127.0.0.1:9", "token", pause_seconds=0.0)

        with pytest.raises(ServerDownError, match="asks stay open") as caught:
            pull_answers(asked.read(), gone)
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), ServerDownError)  # noqa: S301

    def test_a_refused_token_is_said_without_the_token(self, exchange, studio, asked):
        """Trying again would not help, so it is not tried again."""
        server = LabelStudio(studio.url, "wrong-token", pause_seconds=0.0)

        with pytest.raises(ExchangeError, match="refuses the token") as caught:
            pull_answers(asked.read(), server)
        assert "wrong-token" not in str(caught.value) + repr(server)
        assert len(studio.calls) == 1


def test_a_personal_access_token_is_exchanged_first(asked, studio):
    """Such a token has two dots and lasts minutes once exchanged."""
    server = LabelStudio(studio.url, "head.body.signature", pause_seconds=0.0)

    pull_answers(asked.read(), server)

    assert studio.calls[0] == ("POST", "/api/token/refresh")


def test_nothing_is_sent_before_columns_are_declared(asked, studio):
    """Not even the ids of asks."""
    project = asked.read()
    store = open_project_store(project)

    with pytest.raises(ProjectError, match="which columns may leave for Label Studio"):
        push_asks(project, store, studio.server(), store.asks.read())
    assert studio.calls == []


def test_the_token_comes_from_the_environment(asked, monkeypatch):
    """A variable that is empty is named; a project without a server has none."""
    assert label_studio_of(asked.read()) is None
    asked.configure(
        "[experts]", '[exchange]\nlabel_studio = { url = "http://studio:8080/" }\n[experts]'
    )
    monkeypatch.delenv("LABEL_STUDIO_TOKEN", raising=False)
    with pytest.raises(ProjectError, match="'LABEL_STUDIO_TOKEN' is empty"):
        label_studio_of(asked.read())

    monkeypatch.setenv("LABEL_STUDIO_TOKEN", "abc\n")
    assert label_studio_of(asked.read()) == LabelStudio("http://studio:8080", "abc")
