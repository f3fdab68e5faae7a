"""Explain: why a row has its label in a label version, replayed from the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.classes import ABSTAIN, Classes
from labelpress.errors import LabelpressError
from labelpress.label_models import load
from labelpress.manifest import read_answers, read_manifest
from labelpress.row_index import read_index
from labelpress.stages.vote import voting
from labelpress.vote_files import read_votes

if TYPE_CHECKING:
    from datetime import datetime

    from labelpress.manifest import HeuristicNote, Manifest
    from labelpress.store import Store
    from labelpress.tables.publication import LabelVersion

REPLAY_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class ExplainedVote:
    """One heuristic's vote on a row, and what it did."""

    note: HeuristicNote
    """The heuristic as it was then: code, owner, why."""
    vote: str | None
    """The class voted for; None for an abstain."""
    log_odds: float
    """What the vote added to the log-odds of the class explained: with all votes, minus without
    this one. Where votes say the same, these overlap and need not add up to the whole."""
    lift: float | None


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What an expert said of a row."""

    label: str | None
    annotator: str
    answered: datetime
    rationale: str | None
    simulated: bool
    counted: str
    """`overrides`, `certifies` (a reserved audit), or `stale` (the row has changed since)."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a row has its label."""

    row_id: str
    version: LabelVersion
    label: str | None
    origin: str
    probabilities: dict[str, float]
    base_rate: dict[str, float]
    explained_class: str
    """The label, or the likeliest class where there is none."""
    by_votes: float
    """Its probability by the label model, whatever an expert said."""
    without_votes: float
    """The same for a row on which nobody votes."""
    votes: tuple[ExplainedVote, ...]
    answers: tuple[GivenAnswer, ...]
    label_model: str
    refit: str
    part: str
    replayed: str
    """Whether recomputing from votes and model gives the stored probabilities."""


def explain_row(store: Store, row_id: str, version: int | None = None) -> Explanation:
    """
    Explain the label of a row in a published version (the current one where none is named).

    Raises `LabelpressError` where the row is not in that version or what it was made from is gone.
    """
    found = store.labels.find(version)
    labels = store.labels.read(found.version).filter(pl.col("row_id").cast(pl.String) == row_id)
    rows = labels.collect()
    if rows.height == 0:
        raise LabelpressError(
            f"row {row_id!r} is not in label version {found.version}. It may be new since, or gone "
            "from the source; `labelpress versions` lists the others."
        )
    row = rows.row(0, named=True)
    manifest = read_manifest(store.files, found.run)
    if manifest is None:
        raise LabelpressError(
            f"the manifest of {found} is gone from the store, so the label {row['label']!r} of "
            f"row {row_id!r} cannot be explained."
        )
    classes = Classes(manifest.classes)
    votes = _votes_of(store, manifest, row["part"], row_id)
    model = load(manifest.label_model)
    target = int(np.argmax(row["probabilities"]))
    by_votes = np.array(model.predict_proba(votes)[0])
    silent = np.array(model.predict_proba(np.full_like(votes, ABSTAIN))[0])
    moved = model.contributions(votes)[0, :, target]
    lifts = {lift["heuristic"]: lift["lift"] for lift in manifest.lifts}
    explained = tuple(
        ExplainedVote(
            note,
            classes.names[votes[0, i]] if votes[0, i] >= 0 else None,
            float(moved[i]),
            lifts.get(note.name),
        )
        for i, note in enumerate(manifest.heuristics)
    )
    return Explanation(
        row_id=row_id,
        version=found,
        label=row["label"],
        origin=row["origin"],
        probabilities=dict(zip(classes.names, row["probabilities"], strict=False)),
        base_rate=dict(zip(classes.names, map(float, model.base_rate), strict=False)),
        explained_class=classes.names[target],
        by_votes=float(by_votes[target]),
        without_votes=float(silent[target]),
        votes=explained,
        answers=_answers_of(store, manifest, row_id),
        label_model=model.name,
        refit=manifest.refit,
        part=row["part"],
        replayed=_replay(row, by_votes),
    )


def _votes_of(store: Store, manifest: Manifest, part: str, row_id: str) -> np.ndarray:
    partition = next((p for p in manifest.partitions if p.part == part), None)
    cells = {} if partition is None else manifest.cells[partition.digest]
    needed = sorted({cell.file for cell in cells.values()})
    gone = [path for path in needed if not store.files.exists(path)]
    if partition is None or gone:
        raise LabelpressError(
            f"the votes on {part!r} are gone from the store ({', '.join(gone) or 'not recorded'}), "
            f"so the label of row {row_id!r} cannot be explained. A run over the same rows and "
            "heuristics casts them again."
        )
    ids = read_index(store.files, partition.digest)["row_id"].cast(pl.String)
    dropped = manifest.dropped.get(part, [])
    positions = [at for at in (ids == row_id).arg_true().to_list() if at not in dropped]
    if not positions:
        raise LabelpressError(f"row {row_id!r} is not in the row index of {part!r}.")
    votes = read_votes(
        store.files,
        cells,
        voting(manifest.heuristics),
        partition.rows,
        Classes(manifest.classes),
    )
    return votes[positions[0] : positions[0] + 1]


def _answers_of(store: Store, manifest: Manifest, row_id: str) -> tuple[GivenAnswer, ...]:
    if manifest.answers_version is None:
        return ()
    answers = store.answers.read(manifest.answers_version).filter(pl.col("row_id") == row_id)
    used = read_answers(store.files, manifest.run).filter(pl.col("row_id") == row_id)
    counted = "stale"
    if used.height:
        counted = "certifies" if used["reserved"][0] else "overrides"
    return tuple(
        GivenAnswer(
            label=answer["label"],
            annotator=answer["annotator"],
            answered=answer["answered"],
            rationale=answer["rationale"],
            simulated=answer["simulated"],
            counted=counted,
        )
        for answer in answers.sort("answered").iter_rows(named=True)
    )


def _replay(row: dict[str, object], recomputed: np.ndarray) -> str:
    if row["origin"] == "expert":
        return "an expert's answer overrides the label model"
    stored = np.array(row["probabilities"])
    if np.array_equal(stored, recomputed):
        return "recomputed from votes and label model: the same bits"
    gap = float(np.abs(stored - recomputed).max())
    if gap <= REPLAY_TOLERANCE and stored.argmax() == recomputed.argmax():
        return f"recomputed from votes and label model: within {gap:.1e}"
    return f"recomputing gives other probabilities (off by {gap:.1e}): another environment?"
