"""Survey a store: what a policy no longer keeps, and that nothing names any more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from labelpress.booking import EXPERT_BATCH
from labelpress.maintenance.condemned import read_condemned
from labelpress.maintenance.removal import Removal, Survey, as_removals
from labelpress.manifest import read_manifest
from labelpress.predictions import FOLDER as PREDICTIONS
from labelpress.predictions import prediction_files
from labelpress.report.facts import read_facts
from labelpress.retention import RunTraces, runs_to_keep, versions_to_keep
from labelpress.stages.vote import voting
from labelpress.store import PROBE
from labelpress.tables.folders import is_temporary
from labelpress.tables.history import unnamed_files
from labelpress.vote_files import ROWS_FILE, folder, patterns_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from labelpress.maintenance.removal import Why
    from labelpress.manifest import Manifest
    from labelpress.retention import RetentionSettings
    from labelpress.store import Store
    from labelpress.tables.events import EventTable
    from labelpress.tables.files import Found
    from labelpress.tables.publication import LabelVersion

KEPT_OF_RUNS = ("record.json", "report.json", "spend/")
"""What stays of a run that is given up: its books, and that it was there."""
COMPACT_FROM = 8
"""An event table of so many files is made one."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What may not go."""

    versions: frozenset[int]
    runs: frozenset[str]
    labels: frozenset[str]
    """Label files, inside `labels/`."""
    reused: frozenset[str]
    """Votes and predictions."""
    seen: Mapping[str, frozenset[int]]
    """Versions of event tables to which kept runs, and the books, look back, by table."""


def survey_store(store: Store, settings: RetentionSettings, now: datetime | None = None) -> Survey:
    """
    Find out what may go, and touch nothing.

    Files younger than `orphan_days` are never among it, so that nothing is taken from a run that
    is going on; nor is what a kept version, an unresolved run or a candidate that can still be
    promoted names.
    """
    moment = now or datetime.now(UTC)
    young = moment - timedelta(days=settings.orphan_days)
    delta_version, versions, given_up = store.labels.look()
    runs = _runs(store)
    kept = _find_kept(store, settings, versions, runs, moment)
    published = {version.run for version in versions}
    left = [run for run in runs if run.run not in kept.runs]
    labels = _labels(store, kept, versions, young)
    orphans = {run.run for run in left if run.run not in published}
    orphans |= {_run_of(r.path) for r in labels if r.why == "candidates that nothing can publish"}
    gone = tuple(
        version.version
        for version in versions
        if version.removed is None and version.version not in kept.versions
    )
    reused, marked, fresh = _reused(store, kept, young, moment)
    removals = (
        *labels,
        *reused,
        *_slices(store, kept, young),
        *_run_files(store, left, moment - timedelta(days=settings.keep_days), versions),
        *_events(store, kept, young),
        *_temporary(store, young),
    )
    return Survey(
        delta_version=delta_version,
        versions=gone,
        runs=tuple(sorted(orphans - given_up)),
        kept=tuple(sorted(kept.versions)),
        removals=removals,
        marked=marked,
        compacted={
            table.name: files
            for table in store.event_tables
            if (files := table.file_count()) >= COMPACT_FROM
        },
        remarks=_remarks(store),
        newly_marked=fresh,
    )


def _runs(store: Store) -> tuple[RunTraces, ...]:
    """Return the facts of all runs, the oldest period first."""
    files: dict[str, list[Found]] = {}
    for file in store.files.walk("runs"):
        files.setdefault(file.path.split("/")[1], []).append(file)
    found = []
    for run, left in sorted(files.items()):
        names = {file.path for file in left}
        manifest = f"runs/{run}/manifest.json"
        base = store.files.read_json(manifest)["base_version"] if manifest in names else None
        found.append(
            RunTraces(
                run=run,
                base_version=base,
                has_candidate=manifest in names,
                waits_for_mlflow=f"runs/{run}/draft.json" in names,
                last_written=datetime.fromtimestamp(max(f.modified for f in left), UTC),
            )
        )
    return tuple(found)


def _find_kept(
    store: Store,
    settings: RetentionSettings,
    versions: tuple[LabelVersion, ...],
    runs: tuple[RunTraces, ...],
    now: datetime,
) -> _Kept:
    decisions = store.decisions.read()
    named = decisions.filter(decisions["kind"] == "champion")["label_version"].drop_nulls()
    champions = {int(version) for version in named}
    kept = versions_to_keep(versions, settings, now, champions)
    needed = runs_to_keep(
        runs,
        {version.run for version in versions},
        {version.run for version in versions if version.version in kept},
        versions[-1].version if versions else None,
        now - timedelta(days=settings.orphan_days),
    )
    labels = {file.path for version in kept for file in store.labels.files_at(version)}
    votes: set[str] = set()
    booked = store.ledger.last(EXPERT_BATCH)
    answers: set[int | None] = {booked - 1 if booked else None}
    asks: set[int | None] = set()
    decided: set[int | None] = set()
    ledger: set[int | None] = set()
    for run in needed:
        facts = read_facts(store, run)
        ledger.add(facts.ledger_version if facts else None)
        manifest = read_manifest(store.files, run)  # one at a time: each may be large
        if manifest is not None:
            labels |= {entry.path for entry in manifest.entries}
            votes.update(_votes_of(manifest))
            answers.add(manifest.answers_version)
            asks.add(manifest.asks_version)
            decided.add(manifest.decisions_version)
    looked = {"answers": answers, "asks": asks, "decisions": decided, "ledger": ledger}
    seen = {name: _known(versions) for name, versions in looked.items()}
    predictions = {path for version in kept for path in prediction_files(store.files, version)}
    reused = frozenset(votes | predictions)
    return _Kept(kept, needed, frozenset(labels), reused, seen)


def _known(versions: Iterable[int | None]) -> frozenset[int]:
    return frozenset(version for version in versions if version is not None)


def _labels(
    store: Store, kept: _Kept, versions: tuple[LabelVersion, ...], young: datetime
) -> tuple[Removal, ...]:
    """Return the label files that neither a kept version nor a kept run names."""
    gone = [v.version for v in versions if v.version not in kept.versions]
    published = {file.path for version in gone for file in store.labels.files_at(version)}
    removals = []
    for file in _old(store.files.walk("labels"), young):
        path = file.path.removeprefix("labels/")
        if path.startswith("_") or not path.endswith(".parquet") or path in kept.labels:
            continue
        if path in published:
            removals.append(Removal(file.path, file.size, "labels of removed versions"))
        elif _run_of(path) not in kept.runs:
            removals.append(Removal(file.path, file.size, "candidates that nothing can publish"))
    return tuple(removals)


def _run_of(label_file: str) -> str:
    """Return the run that wrote a label file."""
    return label_file.rpartition("/")[2].rpartition("-")[0]


def _reused(
    store: Store, kept: _Kept, young: datetime, now: datetime
) -> tuple[tuple[Removal, ...], dict[str, float], int]:
    """
    Return the votes and predictions that go now, those that are marked, and how many are new.

    A run that plans from now on does not take up marked files (`Store.condemned`), and one that
    planned before has ended when the time of the mark is over.
    """
    marked_before = read_condemned(store.files)
    marked, going = {}, []
    whys: dict[str, Why] = {
        "votes": "votes that nothing names",
        PREDICTIONS: "predictions that nothing names",
    }
    for place, why in whys.items():
        for file in _old(store.files.walk(place), young):
            if file.path in kept.reused:
                continue
            since = marked_before.get(file.path)
            if since is None or file.modified > since:
                since = now.timestamp()
            elif since < young.timestamp():
                going.append(Removal(file.path, file.size, why))
            marked[file.path] = since
    fresh = sum(since == now.timestamp() for since in marked.values())
    return tuple(going), marked, fresh


def _slices(store: Store, kept: _Kept, young: datetime) -> tuple[Removal, ...]:
    """Return what is remembered of slices of partitions that no kept run names: made anew if so."""
    digests = {path.split("/")[1] for path in kept.reused}
    files = _old(store.files.walk("slices"), young)
    left = [file for file in files if file.path.split("/")[1] not in digests]
    return as_removals(left, "slices of partitions that nothing names")


def _votes_of(manifest: Manifest) -> Iterable[str]:
    """Return the votes files that a run names, the counts of its patterns among them."""
    prints = voting(manifest.heuristics)
    for partition in manifest.partitions:
        cells = manifest.cells.get(partition.digest, {})
        yield f"{folder(partition.digest)}/{ROWS_FILE}"
        yield patterns_file(partition.digest, cells, prints)
        yield from (cell.file for cell in cells.values())


def _run_files(
    store: Store,
    left: Collection[RunTraces],
    since: datetime,
    versions: tuple[LabelVersion, ...],
) -> tuple[Removal, ...]:
    """Return the files of runs given up: those of removed versions, and of old runs without one."""
    published = {version.run for version in versions}
    over = {run.run for run in left if run.run in published or run.last_written < since}
    files = [
        file
        for file in store.files.walk("runs")
        if file.path.split("/")[1] in over
        and not file.path.split("/", 2)[2].startswith(KEPT_OF_RUNS)
    ]
    return as_removals(files, "what removed runs left")


def _events(store: Store, kept: _Kept, young: datetime) -> tuple[Removal, ...]:
    """Return the files of event tables that compaction replaced and nothing looks back to."""
    removals: list[Removal] = []
    for table in store.event_tables:
        sizes = {file.path: file.size for file in store.files.walk(table.name)}
        seen = sorted(kept.seen.get(table.name, ()))
        paths = [f"{table.name}/{path}" for path in table.replaced(young, seen)]
        removals += [Removal(p, sizes[p], "events before compaction") for p in paths if p in sizes]
        removals += as_removals(_unnamed(store, table, young), "what killed writers left")
    return tuple(removals)


def _unnamed(store: Store, table: EventTable, young: datetime) -> list[Found]:
    """Return the files of an event table that were written and never committed."""
    there = {f.path: f for f in _old(store.files.at(table.name).walk(), young)}
    data = {path for path in there if path.endswith(".parquet")}
    if data <= table.paths():  # and so there is no reason to read the whole log
        return []
    unnamed = [f.path for f in unnamed_files(store.files.at(table.name)) if f.path in there]
    return [replace(there[path], path=f"{table.name}/{path}") for path in unnamed]


def _temporary(store: Store, young: datetime) -> tuple[Removal, ...]:
    """Return the half-written files of killed writers on a disk."""
    names = [file for file in _old(store.files.walk(), young) if _is_left_over(file.path)]
    return as_removals(names, "what killed writers left")


def _is_left_over(path: str) -> bool:
    return is_temporary(path) or path.startswith(PROBE)


def _old(files: Iterable[Found], young: datetime) -> list[Found]:
    return [file for file in files if file.modified < young.timestamp()]


def _remarks(store: Store) -> tuple[str, ...]:
    """Say which tables would forget their versions by themselves."""
    tables = [table.name for table in store.event_tables if not table.remembers()]
    if not store.labels.remembers():
        tables.append("labels")
    return tuple(
        f"{name}/ has lost its retention properties, so Delta itself may drop old versions. Set "
        "delta.logRetentionDuration and delta.deletedFileRetentionDuration to 36500 days."
        for name in tables
    )
