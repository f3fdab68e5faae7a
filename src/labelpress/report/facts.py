"""What a report needs beside the manifest and the ledger, kept so that it can be written again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from labelpress.manifest import folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.store import Store

REPORT_FACTS = "report.json"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The end model of a run in figures."""

    mix: str
    rows: int
    excluded: int
    judged_on: str
    accuracy: float | None
    f1: float | None
    log_loss: float | None
    candidates: tuple[Mapping[str, Any], ...]
    """The mixes that were compared."""
    role: str = ""
    """`champion` or `challenger`; empty where nobody has decided yet."""
    reason: str = ""
    solver: str = ""
    """Whether the rows were held in memory or streamed, and why."""
    sweep: str = ""
    """What more, and what surer, program labels did, in words; empty where too few rows judged."""
    sweep_judged_on: str = ""
    """`answers` or `test set`."""
    sweep_points: tuple[Mapping[str, Any], ...] = ()
    """Each with rows, share, cut, accuracy, low, high and log_loss."""


@dataclass(frozen=True, slots=True)
class Point:
    """One printing as later reports show it beside theirs."""

    period: str
    printing: int
    rows: int
    labelled: int
    accuracy: float | None
    low: float
    high: float
    audits: int
    answers: int
    """Rows whose answers counted."""
    commonest: float
    """Share of the commonest class: what labelling everything alike would get right."""
    model_accuracy: float | None

    @property
    def name(self) -> str:
        """The period, with the printing where it is not the first."""
        return self.period if self.printing == 1 else f"{self.period} ({self.printing})"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run, as its record knew it."""

    run: str
    version: int | None
    """The label version; None where the run is held."""
    held: tuple[str, ...]
    before: tuple[str, ...]
    """Runs of the printings that were published before, oldest first."""
    asks: int
    simulated: bool
    target_accuracy: float
    expert_usd_per_hour: float
    stopping: str
    ledger_version: int
    """The Delta version of the ledger that the costs are from."""
    point: Point
    model: ModelFacts | None
    untrained: str = ""
    """Why there is no end model, where there could have been one."""
    budget: int = 0
    """Answers asked for per period; 0 where that was not kept."""


def write_facts(store: Store, facts: RunFacts) -> None:
    """Keep what a report is made of."""
    store.files.write_json(_place(facts.run), asdict(facts))


def read_facts(store: Store, run: str) -> RunFacts | None:
    """Return what a run's report is made of; None where the run stopped before it was known."""
    if not store.files.exists(_place(run)):
        return None
    plain = store.files.read_json(_place(run))
    model = plain.pop("model")
    point = Point(**plain.pop("point"))
    if model is not None:
        points = tuple(model.pop("sweep_points", ()))
        candidates = tuple(model.pop("candidates"))
        model = ModelFacts(**model, candidates=candidates, sweep_points=points)
    held, before = tuple(plain.pop("held")), tuple(plain.pop("before"))
    return RunFacts(**plain, held=held, before=before, point=point, model=model)


def _place(run: str) -> str:
    return f"{folder(run)}/{REPORT_FACTS}"
