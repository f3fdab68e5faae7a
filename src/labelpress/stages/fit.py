"""The fit stage: measure the base rate, then learn the label model anew or keep it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl

from labelpress.base_rate import measure_base_rate
from labelpress.certify import FEWEST_RESERVED
from labelpress.cross_fit import FEWEST_ANSWERS, cross_predict
from labelpress.label_models import Answered, fit_patterns, load
from labelpress.refit import MIN_ANSWERS, RefitDecision, evidence_says, must_refit
from labelpress.stages.vote import voting
from labelpress.vote_files import read_votes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labelpress.base_rate import BaseRate
    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.label_models import LabelModel, ModelName
    from labelpress.label_models.contract import Floats
    from labelpress.label_models.everywhere import Everywhere
    from labelpress.manifest import Manifest
    from labelpress.runs import Run
    from labelpress.stages.vote import Voted
    from labelpress.tables.files import Files
    from labelpress.vote_files import Cell
    from labelpress.votes import Patterns

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the fit stage leaves behind."""

    manifest: Manifest
    model: LabelModel
    answers: pl.DataFrame
    """The answers that match their rows, with their votes as a list column."""
    out_of_fold: np.ndarray | None = None
    """Of the teaching answers, shape (a, K), each from a fit without it; None where reserved audits
    are enough or teaching ones too few."""


def fit_labels(run: Run, voted: Voted, answers: pl.DataFrame, cluster: Cluster) -> Fitted:
    """Fit the label model on vote patterns and teaching answers, or keep the last period's."""
    manifest = voted.manifest
    answers = _with_votes(run, manifest, answers, cluster)
    teaching = answers.filter(~pl.col("reserved"))
    audits = teaching.filter(pl.col("stratum") == "audit")
    cohorts = cohort_rows(manifest, run.base_manifest)
    base_rate = measure_base_rate(
        audits["code"].to_numpy(),
        known_cohorts(audits["cohort"], cohorts, manifest.period).to_numpy().astype(np.str_),
        cohorts,
        len(run.classes),
        _declared(run),
    )
    answered = as_answered(teaching, run.classes, len(manifest.heuristics))

    learnt_from = voted.votes.learnt_from
    fit = _fit_of(run, manifest, base_rate)
    base = run.base_manifest
    kept: LabelModel | None = load(base.label_model) if base else None

    forced = _forced(run, manifest, kept)
    races = forced is None and len(answered) >= MIN_ANSWERS

    @cache
    def shadow() -> tuple[np.ndarray, LabelModel | None]:
        """Predict every teaching answer without it and, beside the folds, fit what is shown."""
        pieces: dict[str, Callable[[], Any]] = {}
        if races:
            pieces["race"] = partial(fit, learnt_from, answered, shown=True)
        made: dict[str, Any] = {}

        def over(function: Callable[..., Any], folds: Mapping[str, Any], *shared: object) -> Any:
            fits = {name: partial(function, fold, *shared) for name, fold in folds.items()}
            made.update(cluster.map(called, pieces | fits))
            return {name: made[name] for name in folds}

        seed = run.project.settings.seed
        return cross_predict(answered, fit, learnt_from, seed, over), made.get("race")

    decision = forced
    if decision is None and kept is not None:
        decision = evidence_says(kept, base_rate, answered, lambda: shadow()[0])
    decision = decision or RefitDecision(refit=True, reason="first fit")
    fresh: LabelModel | None = None
    model: LabelModel
    if base is not None and kept is not None and not decision.refit:
        model, parameters, fitted_period = kept, base.label_model, base.fitted_period
        if len(answered) >= MIN_ANSWERS:  # the race is run all the same: it tells a bad set
            fresh = shadow()[1] if races else fit(learnt_from, answered, shown=True)
    else:
        prints = voting(manifest.heuristics)
        everywhere = voted.votes.everywhere(run, manifest, prints, cluster)
        model = fresh = fit(learnt_from, answered, everywhere, shown=True)
        parameters, fitted_period = model.to_json(), manifest.period
    return Fitted(
        manifest.with_(
            label_model=parameters,
            fitted_period=fitted_period,
            refit=decision.reason,
            race=tuple(fresh.diagnostics.get("race", ())) if fresh else (),
            base_rate=base_rate.to_json(),
        ),
        model,
        answers,
        shadow()[0] if _needs_cross_fitting(answers, answered) else None,
    )


def _needs_cross_fitting(answers: pl.DataFrame, answered: Answered) -> bool:
    """Say whether only predictions out of the folds can tell the accuracy."""
    enough = int(answers["reserved"].sum()) >= FEWEST_RESERVED
    return not enough and int(answered.audit.sum()) >= FEWEST_ANSWERS


def called(piece: Callable[[], Result]) -> Result:
    """Do a piece of work that is a function with its arguments, on a worker."""
    return piece()


def _forced(run: Run, manifest: Manifest, kept: LabelModel | None) -> RefitDecision | None:
    """Decide whether to learn anew by what needs no answers; None where the answers decide."""
    base = run.base_manifest
    # printed again, a period has the drift for which its first printing has learnt already
    seen = base.drifting if base and base.period == manifest.period else ()
    drifting = [d for d in manifest.drifting if d.heuristic not in {s.heuristic for s in seen}]
    return must_refit(
        run.project.settings.label_model.refit,
        kept,
        base.heuristics if base else (),
        manifest.heuristics,
        len(run.classes),
        drifting,
    )


@dataclass(frozen=True, slots=True)
class LabelFit:
    """How a run fits label models: a function of patterns and answers that travels to workers."""

    classes: int
    base_rate: Floats | None
    heuristics: tuple[str, ...]
    beliefs: tuple[float | None, ...]
    model: ModelName
    seed: int

    def __call__(
        self,
        patterns: Patterns,
        answered: Answered,
        everywhere: Everywhere[Patterns] | None = None,
        *,
        shown: bool = False,
    ) -> LabelModel:
        """Fit to vote patterns, of all rows or with `everywhere` of a sample, and to answers."""
        return fit_patterns(
            patterns,
            answered if len(answered) else None,
            classes=self.classes,
            base_rate=self.base_rate,
            heuristics=self.heuristics,
            model=self.model,
            seed=self.seed,
            everywhere=everywhere,
            beliefs=self.beliefs,
            shown=shown,
        )


def _fit_of(run: Run, manifest: Manifest, base_rate: BaseRate) -> LabelFit:
    return LabelFit(
        classes=len(run.classes),
        base_rate=base_rate.mean if base_rate.source != "uniform" else None,
        heuristics=tuple(note.name for note in manifest.heuristics),
        beliefs=tuple(note.precision for note in manifest.heuristics),
        model=run.project.settings.label_model.model,
        seed=run.project.settings.seed,
    )


def cohort_rows(manifest: Manifest, base: Manifest | None) -> dict[str, int]:
    """
    Return the rows of each cohort that the source has now.

    A partition keeps the cohorts it was published with; what it has more belongs to this period,
    and what it has less is taken from all its cohorts alike, since nobody has looked yet which
    rows are gone. Cohorts of partitions that are gone are gone.
    """
    published = {entry.part: entry.counts.cohorts for entry in base.entries} if base else {}
    rows: dict[str, int] = {}
    for partition in manifest.partitions:
        now = partition.rows - len(manifest.dropped.get(partition.part, ()))
        before = {name: c.rows for name, c in published.get(partition.part, {}).items()}
        known = sum(before.values())
        shrunk = min(1.0, now / known) if known else 1.0
        before = {name: round(count * shrunk) for name, count in before.items()}
        before[manifest.period] = before.get(manifest.period, 0) + max(now - known, 0)
        for name, count in before.items():
            rows[name] = rows.get(name, 0) + count
    return dict(sorted(item for item in rows.items() if item[1] or len(rows) == 1))


def known_cohorts(cohorts: pl.Series, rows: Mapping[str, int], period: str) -> pl.Series:
    """Return cohorts as the source has them: what the bootstrap asked is of the first printing."""
    known = cohorts.is_in(list(rows))
    first = min(rows, default=period)
    return cohorts.zip_with(known, pl.Series([first] * cohorts.len(), dtype=pl.String))


def _declared(run: Run) -> tuple[float, ...] | None:
    declared = run.project.settings.classes.base_rate
    if declared is None:
        return None
    by_name = dict(zip(run.project.settings.classes.names, declared, strict=True))
    return tuple(by_name[name] for name in run.classes.names)


def _with_votes(
    run: Run, manifest: Manifest, answers: pl.DataFrame, cluster: Cluster
) -> pl.DataFrame:
    asked = {key[0]: rows for key, rows in answers.group_by("partition", maintain_order=True)}
    items = {
        p.part: (asked[p.digest], p.rows, manifest.cells[p.digest])
        for p in manifest.partitions
        if p.digest in asked
    }
    fingerprints = voting(manifest.heuristics)
    found = cluster.map(votes_of_rows, items, run.store.files, fingerprints, run.classes)
    empty = answers.head(0).with_columns(pl.lit(None, pl.List(pl.Int16)).alias("votes"))
    return pl.concat([empty, *found.values()]).unique("row_id", keep="first").sort("row_id")


def votes_of_rows(
    where: tuple[pl.DataFrame, int, Mapping[str, Cell]],
    files: Files,
    fingerprints: tuple[str, ...],
    classes: Classes,
) -> pl.DataFrame:
    """Add the votes of answered rows, as a list column, on a worker."""
    answers, rows, cells = where
    at = answers["position"].to_numpy()
    votes = read_votes(files, cells, fingerprints, rows, classes, at).astype(np.int16)
    return answers.with_columns(pl.Series("votes", votes.tolist(), dtype=pl.List(pl.Int16)))


def vote_matrix(
    answers: pl.DataFrame, classes: Classes, heuristics: int
) -> np.ndarray[tuple[int, int], np.dtype[np.signedinteger]]:
    """Return the votes of answered rows as a matrix, shape (a, m)."""
    votes = answers["votes"].to_list()
    return np.array(votes, dtype=classes.dtype).reshape(answers.height, heuristics)


def as_answered(answers: pl.DataFrame, classes: Classes, heuristics: int) -> Answered:
    """Return answers as a label model takes them."""
    return Answered(
        votes=vote_matrix(answers, classes, heuristics),
        labels=answers["code"].to_numpy(),
        propensity=answers["propensity"].to_numpy(),
        audit=(answers["stratum"] == "audit").to_numpy(),
    )
