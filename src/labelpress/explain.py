"""Explain: why a row has its label in a label version, replayed from the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from labelpress.classes import ABSTAIN, Classes
from labelpress.diff.causes import Side
from labelpress.environment import describe_difference, environment
from labelpress.errors import LabelpressError
from labelpress.gate import Verdict
from labelpress.label_models import load
from labelpress.manifest import read_answers, read_manifest
from labelpress.row_place import find_row, say_where_else
from labelpress.trained_models import TrainedOn, models_of
from labelpress.vote_files import read_row_votes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from labelpress.label_models import LabelModel
    from labelpress.manifest import HeuristicNote, Manifest
    from labelpress.row_place import Place
    from labelpress.store import Store
    from labelpress.tables.publication import LabelVersion

REPLAY_TOLERANCE = 1e-6

NO_CODE = "its code was not kept: only its name, owner and reason are known"


@dataclass(frozen=True, slots=True)
class ExplainedVote:
    """One heuristic's vote on a row, and what it did."""

    note: HeuristicNote
    """The heuristic as it was then: code, owner, why."""
    vote: str | None
    """The class voted for; None for an abstain, and for a vote that is gone."""
    log_odds: float
    """What the vote added to the log-odds of the class explained: with all votes, minus without
    this one. Where votes say the same, these overlap and need not add up to the whole."""
    lift: float | None
    remark: str = ""
    """What is missing of the heuristic: its votes, its code; or why it was quarantined."""


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What an expert said of a row."""

    label: str | None
    annotator: str
    answered: datetime
    rationale: str | None
    simulated: bool
    counted: str
    """`overrides`, `certifies` (a reserved audit), `skipped`, or `stale` (for another row)."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a row has its label."""

    row_id: str
    version: LabelVersion
    label: str | None
    origin: str
    probabilities: dict[str, float]
    base_rate: dict[str, float]
    base_rate_source: str
    """Where the model has it from, in words: a model that is kept keeps its base rate."""
    """`measured`, `declared` or `uniform`, in the period of this version."""
    explained_class: str
    """The label, or the likeliest class where there is none."""
    by_votes: float
    """Its probability by the label model, whatever an expert said."""
    without_votes: float
    """The same for a row on which nobody votes."""
    votes: tuple[ExplainedVote, ...]
    answers: tuple[GivenAnswer, ...]
    label_model: str
    fitted_period: str
    """The period in which the label model's parameters were learnt."""
    refit: str
    part: str
    verdict: Verdict
    """The gate's, on the version."""
    decided: tuple[str, ...]
    """What people decided about the version or its run, in sentences."""
    models: tuple[TrainedOn, ...]
    """The end models that were trained on the version."""
    environment: Mapping[str, str]
    """As it was then."""
    missing: tuple[str, ...]
    """What is gone from the store, in sentences; empty where all is there."""
    replayed: str
    """Whether recomputing from votes and model gives the stored probabilities."""


def explain_row(store: Store, row_id: str, version: int | None = None) -> Explanation:
    """
    Explain the label of a row in a published version (the current one where none is named).

    What is gone from the store (a label file, votes, code) is named in `missing` and the rest is
    explained all the same. Raises `LabelpressError` where the row is not in that version, with the
    versions that have it, and where the version's manifest is gone.
    """
    found = store.labels.find(version)
    manifest = read_manifest(store.files, found.run)
    if manifest is None:
        raise LabelpressError(
            f"the manifest of {found} is gone from the store, so no label of that version, that of "
            f"row {row_id!r} neither, can be explained."
        )
    place = find_row(store.files, manifest, row_id)
    if place is None:
        raise LabelpressError(
            f"row {row_id!r} is not in label version {found.version}. "
            f"{say_where_else(store, _manifests(store), row_id)}"
        )
    classes = Classes(manifest.classes)
    prints = Side.of(manifest).fingerprints
    cells = manifest.cells[place.partition.digest]
    votes, gone = read_row_votes(store.files, cells, prints, place.position, classes)
    model = load(manifest.label_model)
    by_votes = np.array(model.predict_proba(votes)[0])
    row = _stored(store, manifest, place, row_id)
    answers = _answers_of(store, manifest, row_id)
    shown = row or _recomputed(answers, by_votes, votes, classes)
    target = int(np.argmax(shown["probabilities"]))
    silent = np.array(model.predict_proba(np.full_like(votes, ABSTAIN))[0])
    decisions = store.decisions.read()
    missing = _missing(manifest, found, place, gone, row_is_there=row is not None)
    return Explanation(
        row_id=row_id,
        version=found,
        label=shown["label"],
        origin=shown["origin"],
        probabilities=dict(zip(classes.names, shown["probabilities"], strict=False)),
        base_rate=dict(zip(classes.names, map(float, model.base_rate), strict=False)),
        base_rate_source=_base_rate_source(manifest),
        explained_class=classes.names[target],
        by_votes=float(by_votes[target]),
        without_votes=float(silent[target]),
        votes=_explained(manifest, model, votes, target, gone),
        answers=answers,
        label_model=model.name,
        fitted_period=manifest.fitted_period,
        refit=manifest.refit,
        part=place.partition.part,
        verdict=Verdict.from_json(manifest.verdict),
        decided=_decided(decisions, found),
        models=_models(decisions, found),
        environment=manifest.environment,
        missing=missing,
        replayed=f"not replayed: {' '.join(missing)}"
        if gone or row is None
        else _replay(row, by_votes, answers, classes, manifest.environment),
    )


def _manifests(store: Store) -> dict[int, Manifest]:
    found = {v.version: read_manifest(store.files, v.run) for v in store.labels.versions()}
    return {version: manifest for version, manifest in found.items() if manifest is not None}


def _stored(store: Store, manifest: Manifest, place: Place, row_id: str) -> dict[str, Any] | None:
    """Return the row of the label file; None where the file is gone."""
    path = next(e.path for e in manifest.entries if e.part == place.partition.part)
    if not store.files.exists(f"labels/{path}"):
        return None
    labels = store.files.scan(f"labels/{path}").slice(place.label_position, 1).collect()
    if labels.height == 0 or str(labels["row_id"][0]) != row_id:
        raise LabelpressError(
            f"label file {path!r} and the row index of {place.partition.part!r} do not belong "
            f"together: row {row_id!r} is not where the index says. The store is damaged; restore "
            "it from a backup."
        )
    return labels.row(0, named=True)


def _recomputed(
    answers: tuple[GivenAnswer, ...],
    by_votes: np.ndarray,
    votes: np.ndarray,
    classes: Classes,
) -> dict[str, Any]:
    """Return what the label file would say, for one that is gone."""
    told = [answer.label for answer in answers if answer.counted == "overrides" and answer.label]
    if told:
        sure = np.eye(len(classes))[classes.code(told[-1])]
        return {"label": told[-1], "origin": "expert", "probabilities": sure.tolist()}
    silent = bool((votes == ABSTAIN).all())
    label = None if silent else classes.names[int(by_votes.argmax())]
    origin = "none" if silent else "program"
    return {"label": label, "origin": origin, "probabilities": by_votes.tolist()}


def _explained(
    manifest: Manifest,
    model: LabelModel,
    votes: np.ndarray,
    target: int,
    gone: tuple[str, ...],
) -> tuple[ExplainedVote, ...]:
    moved = model.contributions(votes)[0, :, target]
    lifts = {lift["heuristic"]: lift["lift"] for lift in manifest.lifts}

    def remark(note: HeuristicNote) -> str:
        if note.quarantined:
            return f"quarantined: {note.quarantine_reason}"
        if note.fingerprint in gone:
            return "its vote is gone from the store"
        return "" if note.code else NO_CODE

    return tuple(
        ExplainedVote(
            note,
            manifest.classes[votes[0, i]] if votes[0, i] >= 0 else None,
            float(moved[i]),
            lifts.get(note.name),
            remark(note),
        )
        for i, note in enumerate(manifest.heuristics)
    )


def _base_rate_source(manifest: Manifest) -> str:
    if manifest.fitted_period == manifest.period:
        return f"{manifest.base_rate['source']} in period {manifest.period}"
    return f"as the model was fitted in period {manifest.fitted_period}"


def _missing(
    manifest: Manifest,
    version: LabelVersion,
    place: Place,
    gone: tuple[str, ...],
    *,
    row_is_there: bool,
) -> tuple[str, ...]:
    said = []
    part = place.partition.part
    if not row_is_there:
        said.append(
            f"The label file of {part!r} is gone: label version {version.version} was vacuumed. "
            "The label shown is recomputed from votes, answers and label model."
        )
    if gone:
        names = [note.name for note in manifest.heuristics if note.fingerprint in gone]
        paths = sorted({manifest.cells[place.partition.digest][one].file for one in gone})
        said.append(
            f"The votes of {', '.join(names)} on {part!r} are gone ({', '.join(paths)}); they are "
            "taken for abstains here. A run over the same rows and heuristics casts them again."
        )
    return tuple(said)


def _answers_of(store: Store, manifest: Manifest, row_id: str) -> tuple[GivenAnswer, ...]:
    if manifest.answers_version is None:
        return ()
    answers = store.answers.read(manifest.answers_version).filter(pl.col("row_id") == row_id)
    used = read_answers(store.files, manifest.run).filter(pl.col("row_id") == row_id)
    counted = "certifies" if used["reserved"].any() else "overrides"
    return tuple(
        GivenAnswer(
            label=answer["label"],
            annotator=answer["annotator"],
            answered=answer["answered"],
            rationale=answer["rationale"],
            simulated=answer["simulated"],
            counted=_counted(answer, used, counted),
        )
        for answer in answers.sort("answered").iter_rows(named=True)
    )


def _counted(answer: Mapping[str, Any], used: pl.DataFrame, counted: str) -> str:
    if answer["label"] is None:
        return "skipped"
    return counted if answer["row_hash"] in used["row_hash"] else "stale"


def _models(decisions: pl.DataFrame, version: LabelVersion) -> tuple[TrainedOn, ...]:
    """Return the end models of a version; a rollback brought back those of the one it restored."""
    models = models_of(decisions, version.version)
    if "restored" in version.meta:
        models = (*models_of(decisions, int(version.meta["restored"])), *models)
    return models


def _decided(decisions: pl.DataFrame, version: LabelVersion) -> tuple[str, ...]:
    """Say what people decided about a version: publishing a held candidate, or a rollback to it."""
    said = []
    for row in decisions.sort("at").iter_rows(named=True):
        when = f"{row['who']} on {row['at']:%Y-%m-%d} ({row['why']})"
        if row["kind"] == "publish-held" and row["run"] == version.run:
            said.append(f"The gate had held it; it was published by {when}.")
        if row["kind"] == "rollback" and row["label_version"] == version.version:
            said.append(f"Rolled back to by {when}.")
    return tuple(said)


def _replay(
    row: Mapping[str, Any],
    by_votes: np.ndarray,
    answers: tuple[GivenAnswer, ...],
    classes: Classes,
    then: Mapping[str, str],
) -> str:
    """Say how near recomputing comes to what is stored."""
    stored = np.array(row["probabilities"])
    if row["origin"] == "expert":
        label = str(row["label"])
        told = any(one.counted == "overrides" and one.label == label for one in answers)
        sure = np.array_equal(stored, np.eye(len(classes))[classes.code(label), : len(stored)])
        if told and sure:
            return "an expert's answer overrides the label model: the same bits"
        return "the label is an expert's, but no answer that counted says so: the store is damaged"
    if np.array_equal(stored, by_votes):
        return "recomputed from votes and label model: the same bits"
    gap = float(np.abs(stored - by_votes).max())
    moved = describe_difference(then, environment())
    why = f"the environment is another one ({moved})" if moved else "the environment is the same"
    if gap <= REPLAY_TOLERANCE and stored.argmax() == by_votes.argmax():
        return f"recomputed from votes and label model: within {gap:.1e}, the same label; {why}"
    return f"recomputing gives other probabilities (off by {gap:.1e}), so do not trust it; {why}"
