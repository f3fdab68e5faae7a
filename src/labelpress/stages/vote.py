"""The vote stage: cast the missing cells and count the vote patterns."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from labelpress.analysis import summarize
from labelpress.cohort_votes import tally_cohorts
from labelpress.drift import find_drift
from labelpress.errors import HeuristicError, UnknownClassError
from labelpress.heuristics import cast_cells, load_heuristics
from labelpress.heuristics.isolation import Limits, Sandbox
from labelpress.sources.reading import read_rows
from labelpress.stages.counting import count_source, keep_counts
from labelpress.vote_files import (
    Cell,
    write_cells,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labelpress.bundle import Bundle
    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.heuristics import Heuristic
    from labelpress.heuristics.settings import HeuristicsSettings
    from labelpress.manifest import HeuristicNote, Manifest
    from labelpress.partitions import Partition
    from labelpress.runs import Run
    from labelpress.stages.counting import SourceVotes
    from labelpress.stages.plan import Plan
    from labelpress.tables.files import Files


@dataclass(frozen=True, slots=True)
class Ballot:
    """The cells to cast on one partition."""

    partition: Partition
    fingerprints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PartVotes:
    """What casting on one partition left behind."""

    cells: tuple[Cell, ...]
    failures: tuple[tuple[str, str], ...]
    """Heuristics that could not run to their end here, with the reason."""


@dataclass(frozen=True, slots=True)
class Voted:
    """What the vote stage leaves behind."""

    manifest: Manifest
    votes: SourceVotes
    """Over the whole source; a quarantined heuristic abstains."""
    heuristic_seconds: Mapping[str, float]
    saved_seconds: float
    """CPU seconds that the reused cells took when they were computed."""
    model_calls: Mapping[str, int]
    """Rows judged by each heuristic that is a model."""


def cast_votes(run: Run, plan: Plan, cluster: Cluster) -> Voted:
    """Compute the missing cells of all partitions; reuse the others."""
    started = time.perf_counter()
    manifest = plan.manifest
    ballots = {
        partition.part: Ballot(partition, plan.missing[partition.part])
        for partition in manifest.partitions
        if partition.part in plan.missing
    }
    cast = cluster.map(
        cast_partition,
        ballots,
        run.project.bundle,
        run.classes,
        run.store.files,
        manifest.types,
        run.project.settings.source.storage_options,
        run.project.settings.heuristics,
    )
    cells = {digest: dict(known) for digest, known in manifest.cells.items()}
    reused = sum(len(known) for known in cells.values())
    saved = sum(cell.seconds for known in cells.values() for cell in known.values())
    by_fingerprint: dict[str, float] = {}
    computed = rows_cast = 0
    judged: dict[str, int] = {}
    failures: dict[str, str] = {}
    for part, outcome in cast.items():
        failures |= {name: f"{part}: {reason}" for name, reason in outcome.failures}
        for cell in outcome.cells:
            cells[ballots[part].partition.digest][cell.fingerprint] = cell
            by_fingerprint[cell.fingerprint] = (
                by_fingerprint.get(cell.fingerprint, 0.0) + cell.seconds
            )
            judged[cell.fingerprint] = judged.get(cell.fingerprint, 0) + cell.rows
            computed += 1
            rows_cast += cell.rows
    present = {partition.digest for partition in manifest.partitions}
    cells = {digest: known for digest, known in cells.items() if digest in present}
    faults = _faults(manifest, cells)
    total = sum(partition.rows for partition in manifest.partitions)
    limit = run.project.settings.gate.max_fault_rate
    notes = tuple(
        _judged(note, faults[note.fingerprint], total, limit, failures.get(note.name))
        for note in manifest.heuristics
    )
    fingerprints = voting(notes)
    votes = count_source(run, manifest.partitions, cells, fingerprints, cluster)
    keep_counts(run, votes, fingerprints)
    seconds = {note.name: by_fingerprint.get(note.fingerprint, 0.0) for note in notes}
    manifest = manifest.with_(
        heuristics=notes,
        cells=cells,
        cells_computed=computed,
        cells_reused=reused,
        rows_cast=rows_cast,
        votes_seconds=round(time.perf_counter() - started, 3),
    )
    return Voted(
        manifest=watch_heuristics(run, manifest, votes, seconds, cluster),
        votes=votes,
        heuristic_seconds={name: spent for name, spent in seconds.items() if spent},
        saved_seconds=saved,
        model_calls={
            note.name: judged[note.fingerprint]
            for note in notes
            if note.kind == "model" and note.fingerprint in judged
        },
    )


def watch_heuristics(
    run: Run,
    manifest: Manifest,
    votes: SourceVotes,
    seconds: Mapping[str, float],
    cluster: Cluster,
) -> Manifest:
    """Return the manifest with what its heuristics do, now and compared with earlier periods."""
    notes, base = manifest.heuristics, run.base_manifest
    fingerprints = voting(notes)
    names = [note.name for note in notes]
    comparable = base is not None and voting(base.heuristics) == fingerprints
    tallies = tally_cohorts(run, manifest, fingerprints, cluster, comparable)
    since = _compared_since(run, notes)
    analysis = summarize(votes.summary.counts, names, run.classes)
    faults = _faults(manifest, manifest.cells)
    statistics = tuple(
        {
            "name": note.name,
            "polarity": [run.classes.names[code] for code in stats.polarity],
            "coverage": stats.coverage,
            "overlap": stats.overlap,
            "conflict": stats.conflict,
            "faults": faults[note.fingerprint],
            "seconds": seconds[note.name],
        }
        for note, stats in zip(notes, analysis.heuristics, strict=True)
    )
    return manifest.with_(
        conflict_rows=round(analysis.conflict * analysis.rows),
        statistics=statistics,
        tallies=tallies,
        drift=find_drift(names, tallies, manifest.period, since),
        compared_since=since,
    )


def cast_partition(
    ballot: Ballot,
    bundle: Bundle,
    classes: Classes,
    files: Files,
    types: Mapping[str, str],
    options: Mapping[str, str],
    limits: HeuristicsSettings,
) -> PartVotes:
    """
    Read the columns needed, cast the missing cells of one partition and store them.

    Python heuristics run in a child process under the project's limits. A heuristic that fails has
    no cell here: nothing that did not run to its end is stored. Raises `UnknownClassError` at
    once for a vote for a class that is not declared.
    """
    heuristics = _chosen(bundle, classes, ballot.fingerprints)
    needed: set[str] = set()
    for heuristic in heuristics:
        needed |= set(types if heuristic.columns is None else heuristic.columns)
    columns = {name: kind for name, kind in types.items() if name in needed} or dict(
        list(types.items())[:1]
    )
    frame = read_rows(ballot.partition.file, ballot.partition.row_groups, columns, options)
    outcome = cast_cells(
        frame,
        heuristics,
        classes,
        sandbox=_sandbox(limits.time_limit_seconds, limits.memory_limit_mb),
    )
    mistakes = [failure.reason for failure in outcome.failures if failure.unknown_class]
    if mistakes:
        raise UnknownClassError(" ".join(mistakes))
    failures = tuple((failure.heuristic, failure.reason) for failure in outcome.failures)
    failed = {name for name, _ in failures}
    kept = [h.fingerprint for h in heuristics if h.name not in failed]
    if not kept:
        return PartVotes((), failures)
    cells, _ = write_cells(files, ballot.partition.digest, outcome.votes, kept)
    return PartVotes(cells, failures)


@lru_cache(maxsize=1)
def _sandbox(seconds: float, memory_mb: int) -> Sandbox:
    # One per worker process, since it takes a second to start; its child ends with the worker.
    return Sandbox(Limits(seconds, memory_mb))


@lru_cache(maxsize=4)
def _loaded(bundle: Bundle, classes: Classes) -> tuple[Heuristic, ...]:
    return load_heuristics(bundle, classes)


def _chosen(bundle: Bundle, classes: Classes, fingerprints: Sequence[str]) -> tuple[Heuristic, ...]:
    by_fingerprint = {h.fingerprint: h for h in _loaded(bundle, classes)}
    if lost := [wanted for wanted in fingerprints if wanted not in by_fingerprint]:
        raise HeuristicError(
            f"{len(lost)} of {len(fingerprints)} heuristics to cast are others on this worker than "
            "in the flow: a package that they use has another version here, or they read the time, "
            "an environment variable or a file of this machine when they are imported. `labelpress "
            "check` names the heuristics that do; make both alike, or take it from a column."
        )
    return tuple(by_fingerprint[fingerprint] for fingerprint in fingerprints)


def voting(notes: Sequence[HeuristicNote]) -> tuple[str, ...]:
    """Return the fingerprints whose votes count, one per heuristic; empty text for quarantined."""
    return tuple("" if note.quarantined else note.fingerprint for note in notes)


def _judged(
    note: HeuristicNote, faults: int, rows: int, limit: float, failure: str | None
) -> HeuristicNote:
    if failure is not None:
        return replace(note, quarantined=True, quarantine_reason=failure)
    if faults > limit * rows:
        reason = f"it raised on {faults} of {rows} rows; {limit:.1%} is allowed"
        return replace(note, quarantined=True, quarantine_reason=reason)
    return note


def _faults(manifest: Manifest, cells: Mapping[str, Mapping[str, Cell]]) -> dict[str, int]:
    totals = dict.fromkeys((note.fingerprint for note in manifest.heuristics), 0)
    for known in cells.values():
        for fingerprint, cell in known.items():
            totals[fingerprint] += cell.faults
    return totals


def _compared_since(run: Run, notes: Sequence[HeuristicNote]) -> dict[str, str]:
    """Return from which period on a heuristic is compared: its last drift starts it anew."""
    base = run.base_manifest
    if base is None:
        return {}
    since = dict(base.compared_since)
    if base.period < run.slot.period:
        since |= {drift.heuristic: base.period for drift in base.drifting}
    unedited = {note.name: note.fingerprint for note in base.heuristics}
    return {
        note.name: since[note.name]
        for note in notes
        if note.name in since and unedited.get(note.name) == note.fingerprint
    }
