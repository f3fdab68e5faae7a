"""The fit stage: measure the base rate, then learn the label model anew or keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.base_rate import measure_base_rate
from labelpress.label_models import Answered, fit_patterns, load
from labelpress.refit import evidence_says, must_refit
from labelpress.stages.vote import voting
from labelpress.vote_files import read_votes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.base_rate import BaseRate
    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.label_models import LabelModel
    from labelpress.manifest import Manifest
    from labelpress.runs import Run
    from labelpress.stages.vote import Voted
    from labelpress.tables.files import Files
    from labelpress.vote_files import Cell
    from labelpress.votes import Patterns


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the fit stage leaves behind."""

    manifest: Manifest
    model: LabelModel
    answers: pl.DataFrame
    """The answers that match their rows, with their votes as a list column."""


def fit_labels(run: Run, voted: Voted, answers: pl.DataFrame, cluster: Cluster) -> Fitted:
    """Fit the label model on vote patterns and teaching answers, or keep the last period's."""
    manifest = voted.manifest
    answers = _with_votes(run, manifest, answers, cluster)
    teaching = answers.filter(~pl.col("reserved"))
    audits = teaching.filter(pl.col("stratum") == "audit")
    cohorts = cohort_rows(run, manifest)
    base_rate = measure_base_rate(
        audits["code"].to_numpy(),
        _known_cohorts(audits["cohort"], cohorts, manifest.period).to_numpy().astype(np.str_),
        cohorts,
        len(run.classes),
        _declared(run),
    )
    answered = as_answered(teaching, run.classes, len(manifest.heuristics))

    def fit(given: Answered) -> LabelModel:
        return _fit(run, voted.patterns, given, base_rate, manifest)

    base = run.base_manifest
    kept: LabelModel | None = load(base.label_model) if base else None
    policy = run.project.settings.label_model.refit
    notes = base.heuristics if base else ()
    decision = must_refit(policy, kept, notes, manifest.heuristics, len(run.classes))
    if decision is None and kept is not None:
        decision = evidence_says(kept, base_rate, answered, fit, run.project.settings.seed)
    model: LabelModel
    if base is not None and kept is not None and decision is not None and not decision.refit:
        model, parameters, fitted_period = kept, base.label_model, base.fitted_period
    else:
        model = fit(answered)
        parameters, fitted_period = model.to_json(), manifest.period
    return Fitted(
        manifest.with_(
            label_model=parameters,
            fitted_period=fitted_period,
            refit=decision.reason if decision else "first fit",
            base_rate=base_rate.to_json(),
        ),
        model,
        answers,
    )


def _fit(
    run: Run, patterns: Patterns, answered: Answered, base_rate: BaseRate, manifest: Manifest
) -> LabelModel:
    return fit_patterns(
        patterns,
        answered if len(answered) else None,
        classes=len(run.classes),
        base_rate=base_rate.mean if base_rate.source != "uniform" else None,
        heuristics=[note.name for note in manifest.heuristics],
        model=run.project.settings.label_model.model,
        seed=run.project.settings.seed,
    )


def cohort_rows(run: Run, manifest: Manifest) -> dict[str, int]:
    """Return the rows of each cohort: as published, and what has come since as this period's."""
    base = run.base_manifest
    rows: dict[str, int] = {}
    for entry in base.entries if base else ():
        for cohort, labels in entry.counts.cohorts.items():
            rows[cohort] = rows.get(cohort, 0) + labels.rows
    fresh = manifest.rows - sum(rows.values())
    if fresh > 0 or not rows:
        rows[manifest.period] = rows.get(manifest.period, 0) + max(fresh, 0)
    return dict(sorted(rows.items()))


def _known_cohorts(cohorts: pl.Series, rows: Mapping[str, int], period: str) -> pl.Series:
    # Rows asked by the bootstrap, before anything was printed, belong to the first printing.
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
    matrix = read_votes(files, cells, fingerprints, rows, classes)
    votes = matrix[answers["position"].to_numpy()].astype(np.int16)
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
