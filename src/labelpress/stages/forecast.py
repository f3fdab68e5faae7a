"""The forecast of a dry run: which cells it would compute, what that takes, what would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.amounts import usd_text
from labelpress.heuristics import cast, load_heuristics
from labelpress.heuristics.edits import describe_edit
from labelpress.label_models import load
from labelpress.ledger import SECONDS_PER_HOUR
from labelpress.sources.reading import read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.bundle import Bundle
    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.heuristics import Heuristic
    from labelpress.manifest import HeuristicNote
    from labelpress.partitions import Partition
    from labelpress.runs import Run
    from labelpress.stages.plan import Plan
    from labelpress.tables.files import Files

SAMPLE_PARTITIONS, SAMPLE_ROWS = 4, 2000


@dataclass(frozen=True, slots=True)
class Probe:
    """What casting a sample of one partition shows."""

    rows: int
    seconds: tuple[float, ...]
    """CPU seconds per heuristic, on these rows."""
    common: int
    changed: int
    """Rows whose label would differ if the parameters of the label model were kept."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would do."""

    cells: tuple[tuple[str, int, str], ...]
    """Heuristic, number of cells to compute, and why."""
    reused: int
    minutes: float
    usd: float
    churn: float | None
    """On a sample, with the parameters kept; None where nothing is published to compare with."""

    def to_markdown(self) -> str:
        """Return the forecast as a person reads it."""
        churn = "unknown" if self.churn is None else f"{self.churn:.1%} (on a sample)"
        computed = sum(count for _, count, _ in self.cells)
        lines = [
            f"## A run would compute {computed} cells and reuse {self.reused}",
            "",
            f"About {self.minutes:.2f} core minutes of casting, {usd_text(self.usd)}.",
            f"Probable churn: {churn}. Nothing was written.",
            "",
            "| heuristic | cells | why |",
            "|---|---|---|",
        ]
        return "\n".join(lines + [f"| `{name}` | {n} | {why} |" for name, n, why in self.cells])


def forecast(run: Run, plan: Plan, cluster: Cluster) -> Forecast:
    """Say what a run would do; writes nothing."""
    manifest, base = plan.manifest, run.base_manifest
    sampled = _spread(manifest.partitions)
    published = {entry.part: entry.path for entry in base.entries} if base else {}
    comparable = (
        base is not None
        and [note.name for note in base.heuristics] == [n.name for n in manifest.heuristics]
        and len(base.classes) == len(run.classes)
    )
    probes = cluster.map(
        probe_partition,
        {p.part: (p, published.get(p.part)) for p in sampled},
        run.project.bundle,
        run.classes,
        run.store.files,
        manifest.types,
        run.project.settings.source.storage_options,
        base.label_model if base and comparable else None,
    )
    rows = sum(probe.rows for probe in probes.values())
    per_row = np.sum([probe.seconds for probe in probes.values()], axis=0) / max(rows, 1)
    lacking = _rows_lacking(plan)
    seconds = sum(
        float(per_row[i]) * lacking.get(note.fingerprint, (0, 0))[1]
        for i, note in enumerate(manifest.heuristics)
    )
    common = sum(probe.common for probe in probes.values())
    changed = sum(probe.changed for probe in probes.values())
    known = {note.name: note for note in base.heuristics} if base else {}
    return Forecast(
        cells=tuple(
            (note.name, lacking[note.fingerprint][0], why_missing(note, known))
            for note in manifest.heuristics
            if note.fingerprint in lacking
        ),
        reused=sum(len(cells) for cells in manifest.cells.values()),
        minutes=seconds / 60,
        usd=seconds / SECONDS_PER_HOUR * run.project.settings.costs.core_usd_per_hour,
        churn=changed / common if common else None,
    )


def why_missing(heuristic: Heuristic | HeuristicNote, known: Mapping[str, HeuristicNote]) -> str:
    """Say why cells of a heuristic are missing; `known` are the published ones by name."""
    if not is_edited(heuristic, known):
        return "new or changed partitions"
    if heuristic.name not in known:
        return "new heuristic"
    edit = describe_edit(known[heuristic.name].facts, heuristic.facts)
    return f"edited: {edit}" if edit else "edited"


def is_edited(heuristic: Heuristic | HeuristicNote, known: Mapping[str, HeuristicNote]) -> bool:
    """Say whether no published heuristic, under whatever name, casts these votes."""
    return heuristic.fingerprint not in {earlier.fingerprint for earlier in known.values()}


def _rows_lacking(plan: Plan) -> dict[str, tuple[int, int]]:
    rows = {partition.part: partition.rows for partition in plan.manifest.partitions}
    lacking: dict[str, tuple[int, int]] = {}
    for part, fingerprints in plan.missing.items():
        for fingerprint in fingerprints:
            cells, total = lacking.get(fingerprint, (0, 0))
            lacking[fingerprint] = (cells + 1, total + rows[part])
    return lacking


def _spread(partitions: tuple[Partition, ...]) -> tuple[Partition, ...]:
    step = max(len(partitions) // SAMPLE_PARTITIONS, 1)
    return partitions[::step][:SAMPLE_PARTITIONS]


def probe_partition(
    where: tuple[Partition, str | None],
    bundle: Bundle,
    classes: Classes,
    files: Files,
    types: Mapping[str, str],
    options: Mapping[str, str],
    label_model: Mapping[str, object] | None,
) -> Probe:
    """Cast the first rows of a partition and compare their labels with those published."""
    partition, published = where
    groups = (partition.row_groups[0], partition.row_groups[0])
    frame = read_rows(partition.file, groups, types, options).head(SAMPLE_ROWS)
    votes = cast(frame, load_heuristics(bundle, classes), classes)
    if label_model is None or published is None:
        return Probe(frame.height, votes.seconds, 0, 0)
    labels = files.read_parquet(f"labels/{published}", columns=["row_id", "label", "origin"])
    before = labels.head(frame.height)
    codes = load(label_model).predict_proba(votes.matrix[: before.height]).argmax(axis=1)
    names = np.array(classes.names, dtype=object)[codes]
    voted = (votes.matrix[: before.height] != -1).any(axis=1)
    now = pl.Series(np.where(voted, names, None), dtype=pl.String)
    program = (before["origin"] != "expert").to_numpy()
    differs = now.ne_missing(before["label"]).to_numpy() & program
    return Probe(frame.height, votes.seconds, before.height, int(differs.sum()))
