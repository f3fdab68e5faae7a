"""Manifests: everything that is needed to replay a printing, written before it is published."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from labelpress.drift import Drift, Tally
from labelpress.errors import StoreError
from labelpress.labels import Change, CohortLabels, LabelCounts
from labelpress.manifest_formats import filled
from labelpress.partitions import Partition
from labelpress.sources.listing import SourceFile
from labelpress.vote_files import Cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labelpress.tables.files import Files

MANIFEST_FORMAT = 1


@dataclass(frozen=True, slots=True)
class HeuristicNote:
    """A heuristic as it was in this run."""

    name: str
    fingerprint: str
    kind: str
    label: str | None
    owner: str | None
    why: str | None
    code: str
    precision: float | None = None
    """What its author believed."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """The parts of the fingerprint by name."""
    quarantined: bool = False
    quarantine_reason: str = ""


@dataclass(frozen=True, slots=True)
class LabelEntry:
    """The label file of one partition and what is in it."""

    part: str
    path: str
    """Inside `labels/`."""
    size: int
    rows: int
    key: str
    """Digest of all that the labels follow from: equal keys, equal labels."""
    counts: LabelCounts
    change: Change = field(default_factory=Change)
    """Against the version that was published when this run labelled the partition."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One run: what it read, cast, fitted, wrote and decided."""

    run: str
    project: str
    project_digest: str
    period: str
    printing: int
    mode: str
    base_version: int | None
    answers_version: int | None
    asks_version: int | None
    stale_answers: int
    """Answers that did not count because their row has changed or gone."""
    source_uri: str
    source_version: int | None
    classes: tuple[str, ...]
    types: Mapping[str, str]
    """The columns that were read and the types they were read as."""
    id_type: str
    indexed_by: tuple[str | None, ...]
    """The settings on which the row indexes depend."""
    heuristics: tuple[HeuristicNote, ...]
    looked_at: float
    """When the source was listed, seconds since the epoch."""
    environment: Mapping[str, str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The tables of project.toml that the figures depend on."""
    looks: int = 0
    """How often labels of this project had been judged, this time included."""
    decisions_version: int | None = None
    """Of the decisions that told who had learnt from what was restated."""
    annotators: tuple[Mapping[str, Any], ...] = ()
    """Who answered, how much, and how well as far as that can be told."""
    partitions: tuple[Partition, ...] = ()
    schemas: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Column types of each file, by path."""
    dropped: Mapping[str, list[int]] = field(default_factory=dict)
    """Positions of rows that a later row with the same id replaces, by part."""
    cells: Mapping[str, Mapping[str, Cell]] = field(default_factory=dict)
    """By partition digest, then by fingerprint."""
    cells_computed: int = 0
    cells_reused: int = 0
    votes_seconds: float = 0.0
    """CPU seconds spent on casting in this run."""
    rows_cast: int = 0
    """Rows times heuristics that were cast in this run."""
    conflict_rows: int = 0
    statistics: tuple[Mapping[str, Any], ...] = ()
    """Coverage, overlap, conflict, faults and seconds per heuristic."""
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    """What the heuristics did on the rows that first appeared in each of the last periods."""
    drift: tuple[Drift, ...] = ()
    """How far each heuristic moved between earlier periods and this one."""
    compared_since: Mapping[str, str] = field(default_factory=dict)
    """The period that a heuristic is compared with from, where it drifted before this one."""
    label_model: Mapping[str, Any] = field(default_factory=dict)
    fitted_period: str = ""
    refit: str = ""
    """Why the parameters were learnt anew, or that they were kept."""
    race: tuple[Mapping[str, Any], ...] = ()
    """How well each label model, fitted anew, predicts answers it has not seen; best first."""
    base_rate: Mapping[str, Any] = field(default_factory=dict)
    entries: tuple[LabelEntry, ...] = ()
    gone_parts: tuple[str, ...] = ()
    certificate: Mapping[str, Any] = field(default_factory=dict)
    certificates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Of parts of the labels: `labels`, by the class that labels a row, and `slices`."""
    calibration: Mapping[str, Any] = field(default_factory=dict)
    """The reliability table of the published probabilities."""
    slices: Mapping[str, Any] = field(default_factory=dict)
    """The declared slices, by which the labels were counted."""
    diff: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the base version, by cause; `unknown` says why that could not be told."""
    surface: Mapping[str, Any] = field(default_factory=dict)
    """What a reviewer has to read, and what cannot be read."""
    restated: Mapping[str, Any] = field(default_factory=dict)
    """What earlier versions used and has changed since; empty where nothing has."""
    verdict: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of the source, without those that a later row of the same id replaces."""
        dropped = sum(len(positions) for positions in self.dropped.values())
        return sum(partition.rows for partition in self.partitions) - dropped

    @property
    def new_rows(self) -> int:
        """Rows that the version it was made on top of did not have; all where there was none."""
        if self.base_version is None:
            return self.rows
        return sum(entry.change.new for entry in self.entries)

    @property
    def source_digest(self) -> str:
        """Stands for the content of the whole source."""
        return _combined(partition.digest for partition in self.partitions)

    @property
    def conflict(self) -> float:
        """Share of the rows on which two heuristics vote for different classes."""
        return self.conflict_rows / max(self.rows, 1)

    @property
    def drifting(self) -> tuple[Drift, ...]:
        """What drifts in this period, the strongest first."""
        found = (drift for drift in self.drift if drift.drifts)
        return tuple(sorted(found, key=lambda drift: (-drift.score, drift.heuristic)))

    @property
    def unconverged(self) -> tuple[str, ...]:
        """The estimators in the label model whose fit stopped before it converged."""
        fits = self.label_model.get("diagnostics", {}).get("convergence", {})
        return tuple(name for name, fit in fits.items() if not fit.get("converged", True))

    @property
    def lifts(self) -> tuple[Mapping[str, Any], ...]:
        """What the label model learnt of each heuristic."""
        return tuple(self.label_model.get("lifts", ()))

    def with_(self, **changes: Any) -> Manifest:
        """Return a copy with some fields replaced."""
        return replace(self, **changes)


def _combined(pieces: Iterable[str]) -> str:
    return hashlib.blake2b("\x1f".join(pieces).encode(), digest_size=8).hexdigest()


def folder(run: str) -> str:
    """Return the folder of a run, relative to the store."""
    return f"runs/{run}"


_TABLES = ("partitions", "cells", "entries")


def write_manifest(files: Files, manifest: Manifest, answers: pl.DataFrame) -> None:
    """Write a manifest: JSON, and Parquet for what grows with partitions and answers."""
    place = folder(manifest.run)
    partitions = [
        {
            "part": p.part,
            "path": p.file.path,
            "uri": p.file.uri,
            "size": p.file.size,
            "stamp": p.file.stamp,
            "modified": p.file.modified,
            "constants": json.dumps(p.file.constants),
            "first_row_group": p.row_groups[0],
            "last_row_group": p.row_groups[1],
            "rows": p.rows,
            "digest": p.digest,
        }
        for p in manifest.partitions
    ]
    cells = [
        {"partition": digest} | asdict(cell)
        for digest, by_fingerprint in manifest.cells.items()
        for cell in by_fingerprint.values()
    ]
    entries = [
        {
            "part": e.part,
            "path": e.path,
            "size": e.size,
            "rows": e.rows,
            "key": e.key,
            "counts": json.dumps(asdict(e.counts)),
            "change": json.dumps(asdict(e.change)),
        }
        for e in manifest.entries
    ]
    for name, rows in zip(_TABLES, (partitions, cells, entries), strict=True):
        if rows:
            files.write_parquet(f"{place}/{name}.parquet", pl.DataFrame(rows))
    files.write_parquet(f"{place}/answers.parquet", answers)
    plain = {
        name: getattr(manifest, name)
        for name in Manifest.__dataclass_fields__
        if name not in _TABLES
    }
    plain["heuristics"] = [asdict(note) for note in manifest.heuristics]
    plain["tallies"] = {cohort: asdict(tally) for cohort, tally in manifest.tallies.items()}
    plain["drift"] = [asdict(drift) for drift in manifest.drift]
    files.write_json(f"{place}/manifest.json", {"format": MANIFEST_FORMAT} | plain)


def read_answers(files: Files, run: str) -> pl.DataFrame:
    """Return the answers that a run used, with `partition`, `position` and `votes`."""
    return files.read_parquet(f"{folder(run)}/answers.parquet")


def read_manifest(files: Files, run: str) -> Manifest | None:
    """
    Read the manifest of a run; None where the run did not get that far.

    Raises `StoreError` where a labelpress too new for this one wrote it.
    """
    place = folder(run)
    if not files.exists(f"{place}/manifest.json"):
        return None
    plain: dict[str, Any] = files.read_json(f"{place}/manifest.json")
    found = plain.pop("format", None)
    if not isinstance(found, int) or found > MANIFEST_FORMAT:
        raise StoreError(
            f"{files.join(place)}/manifest.json has format {found!r}, this labelpress reads up to "
            f"{MANIFEST_FORMAT}. Install the labelpress that wrote it, or a newer one."
        )
    plain = filled(plain)
    tables = {name: _rows(files, f"{place}/{name}.parquet") for name in _TABLES}
    cells: dict[str, dict[str, Cell]] = {}
    for row in tables["cells"]:
        digest = row.pop("partition")
        cells.setdefault(digest, {})[row["fingerprint"]] = Cell(**row)
    return Manifest(
        **plain
        | {
            "heuristics": tuple(HeuristicNote(**note) for note in plain["heuristics"]),
            "classes": tuple(plain["classes"]),
            "indexed_by": tuple(plain["indexed_by"]),
            "gone_parts": tuple(plain["gone_parts"]),
            "statistics": tuple(plain["statistics"]),
            "annotators": tuple(plain["annotators"]),
            "tallies": {cohort: _tally(found) for cohort, found in plain["tallies"].items()},
            "race": tuple(plain["race"]),
            "drift": tuple(Drift(**found) for found in plain["drift"]),
            "partitions": tuple(_partition(row) for row in tables["partitions"]),
            "cells": cells,
            "entries": tuple(_entry(row) for row in tables["entries"]),
        }
    )


def _rows(files: Files, path: str) -> list[dict[str, Any]]:
    return files.read_parquet(path).to_dicts() if files.exists(path) else []


def _tally(found: Mapping[str, Any]) -> Tally:
    counts = {name: tuple(value) for name, value in found.items() if name != "rows"}
    return Tally(rows=found["rows"], **counts)


def _partition(row: Mapping[str, Any]) -> Partition:
    constants = tuple((name, value) for name, value in json.loads(row["constants"]))
    file = SourceFile(
        row["path"], row["uri"], row["size"], row["stamp"], row["modified"], constants
    )
    groups = (row["first_row_group"], row["last_row_group"])
    return Partition(row["part"], file, groups, row["rows"], row["digest"])


def _entry(row: Mapping[str, Any]) -> LabelEntry:
    counts = json.loads(row["counts"])
    cohorts = _cohorts(counts.pop("cohorts"))
    by_class = tuple(counts.pop("by_class"))
    # Manifests of early versions lack the counts by label and by slice.
    by_label = {name: _cohorts(rows) for name, rows in counts.pop("by_label", {}).items()}
    by_slice = {name: _cohorts(rows) for name, rows in counts.pop("by_slice", {}).items()}
    crowded = tuple(counts.pop("crowded", ()))
    return LabelEntry(
        row["part"],
        row["path"],
        row["size"],
        row["rows"],
        row["key"],
        LabelCounts(
            **counts,
            by_class=by_class,
            cohorts=cohorts,
            by_label=by_label,
            by_slice=by_slice,
            crowded=crowded,
        ),
        Change(**json.loads(row["change"])),
    )


def _cohorts(data: Mapping[str, Any]) -> dict[str, CohortLabels]:
    return {name: CohortLabels(**cohort) for name, cohort in data.items()}
