"""Simulation: the whole loop with an oracle for the experts, in a store that is thrown away."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from labelpress.certify import Certificate
from labelpress.errors import ProjectError
from labelpress.periods import ScheduleSettings
from labelpress.runs import open_run
from labelpress.stages.answers import freeze_answers
from labelpress.stages.ask import put_asks
from labelpress.stages.fit import fit_labels
from labelpress.stages.gate import judge_candidate
from labelpress.stages.label import write_labels
from labelpress.stages.plan import plan_run
from labelpress.stages.publish import publish_labels
from labelpress.stages.train import train_model
from labelpress.stages.vote import cast_votes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from labelpress.cluster import Cluster
    from labelpress.end_model.settings import EndModelSettings
    from labelpress.manifest import Manifest
    from labelpress.project import Project
    from labelpress.runs import Run
    from labelpress.stages.label import Candidate
    from labelpress.stages.plan import Plan
    from labelpress.stages.trained import Trained

_FIRST: Final = datetime(2000, 1, 1, 12, tzinfo=UTC)
"""The day of the first round; each further round is a day later."""


@dataclass(frozen=True, slots=True)
class Score:
    """How an end model did on the test set; None where there was nothing to learn from."""

    accuracy: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of asking led to."""

    answers: int
    """Simulated answers so far, the reserved ones among them."""
    accuracy: float | None
    """Of the labels, as the run certifies or, with few audits, cross-fits it; None without any."""
    low: float
    high: float
    coverage: float
    model: Score
    """Of the end model that learns from program labels and answers."""
    heuristics_only: Score
    answers_only: Score
    """From as many audits, none of them reserved, and no program label."""
    mix: str
    """How the end model combined program labels and answers."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, as `labelpress simulate` writes it."""
        labels = {
            "accuracy": self.accuracy,
            "low": self.low,
            "high": self.high,
            "coverage": self.coverage,
        }
        scores = {
            name: {"accuracy": score.accuracy, "f1": score.f1}
            for name, score in (
                ("model", self.model),
                ("heuristics_only", self.heuristics_only),
                ("answers_only", self.answers_only),
            )
        }
        return {"answers": self.answers, "labels": labels, **scores}


def simulate(
    project: Project,
    cluster: Cluster,
    *,
    budget: int,
    rounds: int,
    seed: int,
    progress: Callable[[Round], None] = lambda _: None,
) -> tuple[Round, ...]:
    """
    Replay the loop of a project with its oracle; return what each round led to.

    `budget` answers are asked in all, in `rounds` equal portions; see `replay`, which also says
    what is raised. Raises `ProjectError` too where the budget has no answer for each round.
    """
    if not 1 <= rounds <= budget:
        raise ProjectError(
            f"{budget} answers cannot be asked in {rounds} rounds; each round asks one at least."
        )
    portions = [budget * (r + 1) // rounds - budget * r // rounds for r in range(rounds)]
    return replay(project, cluster, portions, seed=seed, progress=progress)


def replay(
    project: Project,
    cluster: Cluster,
    portions: Sequence[int],
    *,
    seed: int,
    progress: Callable[[Round], None] = lambda _: None,
) -> tuple[Round, ...]:
    """
    Replay the loop of a project with its oracle, a round for each portion of answers.

    The rounds run on the stages of the flow: ask, answer, label, publish, train. A candidate that
    the gate would hold is published all the same, as if a person had promoted it. Nothing is
    written to the project's store. Raises `ProjectError` where the project has no oracle or no test
    set.
    """
    _check(project)
    done: list[Round] = []
    with _scratch() as folder:
        control = _Loop(_set_up(project, folder / "control", seed, reserved_share=0.0), cluster)
        plan = control.plan(0)
        without = control.label(plan)
        heuristics_only = control.train(without.manifest, mix="program")
        # The copy has the votes already: casting is the dear part of most projects.
        shutil.copytree(folder / "control", folder / "loop")
        control.publish(without)
        loop = _Loop(_set_up(project, folder / "loop", seed), cluster)
        asked_from, version = plan.manifest, None
        for number, portion in enumerate(portions, start=1):
            asked = loop.ask(asked_from, number, portion, version)
            candidate = loop.label(loop.plan(number))
            version = loop.publish(candidate)
            asked_from = candidate.manifest
            trained = loop.train(candidate.manifest)
            control.ask(plan.manifest, number, asked, None)
            uniform = control.plan(number).answers
            alone = control.train(without.manifest, mix="answers", answers=uniform)
            done.append(_round(candidate, trained, heuristics_only, alone))
            progress(done[-1])
    return tuple(done)


class _Loop:
    """The stages, one after another, on one store; remembers the answers it trains with."""

    def __init__(self, project: Project, cluster: Cluster) -> None:
        self._project = project
        self._cluster = cluster
        self._run = self._open(0)
        self._answers = pl.DataFrame()

    def _open(self, day: int) -> Run:
        return open_run(self._project, expected=_FIRST + timedelta(days=day))

    def plan(self, day: int) -> Plan:
        """Open the run of a day, let the oracle answer, and plan."""
        self._run = self._open(day)
        return plan_run(self._run, freeze_answers(self._run, self._cluster), self._cluster)

    def label(self, plan: Plan) -> Candidate:
        """Vote, fit and write the labels."""
        voted = cast_votes(self._run, plan, self._cluster)
        fitted = fit_labels(self._run, voted, plan.answers, self._cluster)
        self._answers = fitted.answers
        return write_labels(self._run, fitted, self._cluster)

    def publish(self, candidate: Candidate) -> int:
        """Judge the candidate, publish it whatever the verdict, and return its version."""
        gated = judge_candidate(self._run, candidate, self._cluster)
        return publish_labels(self._run, gated.manifest).version

    def ask(self, manifest: Manifest, number: int, portion: int, version: int | None) -> int:
        """Put a round's asks, all audits without published labels; return how many they are."""
        run = replace(self._run, project=_with_budget(self._project, portion))
        batch = f"round {number}"
        asked = put_asks(run, manifest, self._cluster, batch=batch, label_version=version)
        return asked.asks.height

    def train(
        self, manifest: Manifest, *, mix: str | None = None, answers: pl.DataFrame | None = None
    ) -> Trained | None:
        """Train and judge the end model on the labels of a manifest and on its answers."""
        settings = self._project.settings
        end_model: EndModelSettings = settings.end_model
        if mix is not None:
            end_model = end_model.model_copy(update={"mix": mix})
        changed = settings.model_copy(update={"end_model": end_model})
        run = replace(self._run, project=replace(self._project, settings=changed))
        used = self._answers if answers is None else answers
        return train_model(run, manifest, used, self._cluster)


def _round(
    candidate: Candidate,
    trained: Trained | None,
    heuristics_only: Trained | None,
    answers_only: Trained | None,
) -> Round:
    certificate = Certificate.from_json(candidate.manifest.certificate)
    counts = candidate.counts
    return Round(
        answers=candidate.answers.height,
        accuracy=certificate.estimate,
        low=certificate.low,
        high=certificate.high,
        coverage=counts.labelled / max(counts.rows, 1),
        model=_score(trained),
        heuristics_only=_score(heuristics_only),
        answers_only=_score(answers_only),
        mix=trained.mix if trained else "nothing to learn from",
    )


def _score(trained: Trained | None) -> Score:
    if trained is None or trained.evaluation is None:
        return Score(None, None)
    return Score(trained.evaluation.accuracy, trained.evaluation.f1)


def _set_up(
    project: Project, store: Path, seed: int, reserved_share: float | None = None
) -> Project:
    """Return the project on another store and seed, with a period of a day."""
    settings = project.settings
    experts = settings.experts
    if reserved_share is not None:
        experts = experts.model_copy(update={"reserved_share": reserved_share})
    changed = settings.model_copy(
        update={
            "seed": seed,
            "experts": experts,
            "schedule": ScheduleSettings(period="1d"),
            "store": settings.store.model_copy(update={"uri": str(store), "storage_options": {}}),
        }
    )
    return replace(project, settings=changed)


def _with_budget(project: Project, budget: int) -> Project:
    experts = project.settings.experts.model_copy(update={"budget": budget})
    return replace(project, settings=project.settings.model_copy(update={"experts": experts}))


def _check(project: Project) -> None:
    settings = project.settings
    if settings.experts.oracle is None:
        raise ProjectError(
            "project.toml names no [experts] oracle, and a simulation needs someone to answer. "
            "Name a column of the source that holds gold labels."
        )
    if settings.evaluation.test is None:
        raise ProjectError(
            "project.toml names no [evaluation] test, and a simulation is judged by it. Name a "
            "Parquet file with gold labels."
        )


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="labelpress-simulate-") as folder:
        yield Path(folder)
