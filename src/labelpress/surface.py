"""The auditable surface: what a reviewer has to read to vouch for a label version."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from labelpress.classes import ABSTAIN
from labelpress.label_models import load
from labelpress.labels import labels_of_votes
from labelpress.run_patterns import read_run_patterns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelpress.manifest import HeuristicNote, Manifest
    from labelpress.tables.files import Files
    from labelpress.votes import Patterns

OPAQUE = frozenset({"model", "column"})
"""Kinds of heuristics that cannot be read: a model, and votes that somebody else has cast."""


@dataclass(frozen=True, slots=True)
class Surface:
    """What there is to read, and what cannot be read."""

    heuristics: int
    """Distinct ones, by fingerprint, that are not quarantined."""
    lines: int
    """Of their code; what several share counts once, empty lines not at all."""
    answers: int
    """Answered rows that count."""
    annotators: int
    opaque: tuple[str, ...]
    """Heuristics that cannot be read, by name, and `oracle` where simulated answers count."""
    opaque_share: float | None
    """Share of the labels that would be others, or none, without these; None where unknown."""
    sampled: bool
    """Whether that share is of a sample of the rows."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)

    def sentence(self) -> str:
        """Say it in words."""
        share = "an unknown share" if self.opaque_share is None else f"{self.opaque_share:.1%}"
        rest = (
            f"{share} of the labels rest on what cannot be read ({', '.join(self.opaque)})"
            if self.opaque
            else "no label rests on anything that cannot be read"
        )
        return (
            f"To read: {self.heuristics} heuristics with {self.lines} lines, {self.answers} "
            f"answers of {self.annotators} annotators; {rest}."
        )


def measure_surface(files: Files, manifest: Manifest, answers: pl.DataFrame) -> Surface:
    """Measure what a reviewer of a version has to read; `answers` are those its run used."""
    notes = [note for note in manifest.heuristics if not note.quarantined]
    distinct = {note.fingerprint: note for note in notes}
    opaque = tuple(note.name for note in notes if note.kind in OPAQUE)
    overriding = answers.filter(~pl.col("reserved"))
    simulated = int(overriding["simulated"].sum())
    patterns = read_run_patterns(files, manifest) if opaque else None
    known = patterns is not None or not opaque
    labelled = sum(entry.counts.labelled for entry in manifest.entries)
    share = _share_on(patterns, manifest) if patterns is not None else 0.0
    return Surface(
        heuristics=len(distinct),
        lines=_lines(tuple(distinct.values())),
        answers=answers.height,
        annotators=len(manifest.annotators),
        opaque=(*opaque, *(("oracle",) if simulated else ())),
        # A simulated answer's label rests on the oracle, whatever else votes on the row.
        opaque_share=min(share + simulated / max(labelled, 1), 1.0) if known else None,
        sampled=patterns is not None and patterns.rows < manifest.rows,
    )


def _lines(notes: Sequence[HeuristicNote]) -> int:
    return sum(
        sum(1 for line in code.splitlines() if line.strip())
        for code in dict.fromkeys(note.code for note in notes)
    )


def _share_on(patterns: Patterns, manifest: Manifest) -> float:
    """Return the share of the labelled rows whose label is another without the opaque votes."""
    model = load(manifest.label_model)
    opaque = [i for i, note in enumerate(manifest.heuristics) if note.kind in OPAQUE]
    silenced = patterns.votes.copy()
    silenced[:, opaque] = ABSTAIN
    labels = labels_of_votes(patterns.votes, model)[0]
    moved = labels != labels_of_votes(silenced, model)[0]
    labelled = int(patterns.counts[labels != ABSTAIN].sum())
    return float(patterns.counts[np.asarray(moved)].sum()) / max(labelled, 1)
