"""The answers stage: collect what came back and freeze which answers this run uses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labelpress.answers import FrozenAnswers, agree
from labelpress.oracle import answer_open_asks

if TYPE_CHECKING:
    from labelpress.cluster import Cluster
    from labelpress.runs import Run


def freeze_answers(run: Run, cluster: Cluster) -> FrozenAnswers:
    """
    Return the answers that this run uses, whatever arrives while it runs.

    A project with an oracle has its open asks answered first: nobody else would.
    """
    if run.project.settings.experts.oracle and run.mode != "dry-run":
        answer_open_asks(run.project, run.store, cluster, now=datetime.now(UTC))
    asks_version, answers_version = run.store.asks.version(), run.store.answers.version()
    return answers_as_of(run, answers_version, asks_version)


def answers_as_of(run: Run, answers_version: int | None, asks_version: int | None) -> FrozenAnswers:
    """Return the answers of two table versions; None where there was no table."""
    asks = run.store.asks.read_frozen(asks_version)
    answers = run.store.answers.read_frozen(answers_version)
    rows, annotators = agree(asks, answers, run.classes)
    return FrozenAnswers(answers_version, asks_version, rows, annotators)
