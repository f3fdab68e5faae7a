"""Forget rows: out of every label version and all else that a store keeps of them."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from labelpress.decisions import Decision, decide
from labelpress.erasure.records import (
    Erasure,
    erasure_id,
    read_erasure,
    refuse_during_erasure,
    unfinished,
    write_erasure,
)
from labelpress.erasure.runs import forget_in_runs, runs_that_name
from labelpress.erasure.scrubbing import Traces
from labelpress.erasure.tombstones import tombstones_for
from labelpress.errors import StoreError
from labelpress.predictions import FOLDER as PREDICTIONS
from labelpress.row_index import blank
from labelpress.tables.folders import is_temporary
from labelpress.tables.history import (
    Successor,
    data_files,
    rename_in_history,
    unnamed_files,
    write_successor,
)
from labelpress.trained_models import models_of
from labelpress.vote_files import ROWS_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from labelpress.store import Store
    from labelpress.tables.files import Files

EVENTS = ("asks", "answers", "decisions")
ABANDONED = 3600.0
"""Seconds after which nobody is still writing a file that has no name yet, or is in no table."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased, or in a dry run would be."""

    rows: int
    """Ids that were asked for."""
    files: Mapping[str, int]
    """Files that held them, by place."""
    label_version: int | None
    """The version that consumers read from now on."""
    models: tuple[str, ...]
    """End models that learnt from versions with such rows; they still know what they learnt."""
    under_way: tuple[str, ...]
    """Runs that may have written such rows meanwhile: forget again when they have ended."""
    being_written: tuple[str, ...] = ()
    """Files that somebody may be writing, and that may hold such rows: forget again in an hour."""
    reports: tuple[str, ...] = ()
    """Runs of which MLflow has to be told that they name the rows no more."""
    erasure: str = ""
    """Its id."""


def forget_rows(
    store: Store,
    row_ids: Iterable[str],
    *,
    who: str,
    why: str,
    exchange: Files | None = None,
    dry_run: bool = False,
) -> Forgotten:
    """
    Erase rows, given by their ids as text, from the store and the shared folder of the experts.

    Killed at any point it is completed by the same call. From then on a labelpress that does not
    know erasures, and would bring the rows back, refuses the store. MLflow is told by
    `labelpress.erasure.told_mlflow`. Raises `PublicationRefusedError` where another erasure is
    unfinished, and `StoreError` where a table's log is not whole.
    """
    wanted = frozenset(row_ids)
    if not wanted:
        raise StoreError("There is no id to forget: the list is empty.")
    traces = _traces(store, wanted)
    if dry_run:
        return Forgotten(len(wanted), _survey(store, traces, exchange), None, (), ())
    store.raise_format()
    tombstones = tombstones_for(store.files, wanted)
    erasure = _begin(
        store,
        Erasure(
            erasure_id(tombstones),
            who,
            why,
            datetime.now(UTC).isoformat(),
            tuple(sorted(tombstones.digests)),
        ),
    )
    found = _survey(store, traces, exchange)
    if store.labels.current() is not None:
        store.labels.begin_erasure(erasure.id)
    erasure = _noted(store, erasure, untold=runs_that_name(store, traces))
    erasure = _forget_labels(store, traces, erasure)
    _forget_votes(store, traces)
    _forget_predictions(store.files, traces)
    forget_in_runs(store, traces, erasure.label_files)
    for old in erasure.label_files:
        store.files.delete(f"labels/{old}")
    for place in (store.files.at("exchange"), exchange):
        if place is not None:
            _forget_lines(place, traces)
    _forget_dossiers(store.files, traces)
    being_written = _forget_left_overs(store, traces, erasure)
    # the asks last: by them a rerun knows the ids under which experts were asked; and then again
    # the answers, of which some may have come in as long as the asks were there
    for name in ("answers", "decisions", "asks", "answers"):
        erasure = _forget_events(store, name, traces, erasure)
    version = None
    if store.labels.row_id_type() is not None:
        version = store.labels.end_erasure(who, why, len(wanted))
    _book(store, erasure, len(wanted))
    write_erasure(store.files, erasure.finished())
    decisions = store.decisions.read()
    models = [m.model for v in store.labels.versions() for m in models_of(decisions, v.version)]
    return Forgotten(
        rows=len(wanted),
        files=found,
        label_version=version.version if version else None,
        models=tuple(dict.fromkeys(models)),
        under_way=_under_way(store),
        being_written=being_written,
        reports=erasure.untold,
        erasure=erasure.id,
    )


def _begin(store: Store, erasure: Erasure) -> Erasure:
    """Record that it begins, before anything is changed; take up one that was killed."""
    other = unfinished(store.files)
    if other is not None and other.id != erasure.id:
        refuse_during_erasure(store)
    earlier = read_erasure(store.files, erasure.id)
    if earlier is not None and earlier.done is None:
        return earlier
    return _noted(store, erasure, untold=earlier.untold if earlier else ())


def _noted(
    store: Store, erasure: Erasure, *, untold: Iterable[str] = (), replaced: Iterable[str] = ()
) -> Erasure:
    """Keep what a rerun could not find out any more, before it is done."""
    told = replace(
        erasure,
        untold=tuple(sorted({*erasure.untold, *untold})),
        replaced=tuple(sorted({*erasure.replaced, *replaced})),
    )
    write_erasure(store.files, told)
    return told


def _traces(store: Store, row_ids: frozenset[str]) -> Traces:
    asks = store.asks.read().filter(pl.col("row_id").is_in(list(row_ids)))
    return Traces(row_ids, frozenset(asks["ask_id"].to_list()))


def _forget_labels(store: Store, traces: Traces, erasure: Erasure) -> Erasure:
    """Write each label file anew that holds such rows, published or not, and the history."""
    labels = store.files.at("labels")
    successors = dict(erasure.label_files)
    taken = {successor.path for successor in successors.values()}
    for file in labels.walk():
        if file.path.startswith("_") or not file.path.endswith(".parquet") or file.path in taken:
            continue
        successor = write_successor(labels, file.path, traces.rows)
        if successor is not None:
            successors[file.path] = successor
    # kept, so that after a crash the manifests can still be told
    told = replace(erasure, label_files=successors)
    write_erasure(store.files, told)
    rename_in_history(labels, successors)
    return told


def _forget_votes(store: Store, traces: Traces) -> None:
    """Blank the rows in indexes, votes and slices; the rows of a partition keep their places."""
    ids = list(traces.row_ids)
    for digest in store.files.names("votes"):
        place = f"votes/{digest}"
        names = store.files.names(place)
        if ROWS_FILE not in names:
            continue
        index = store.files.read_parquet(f"{place}/{ROWS_FILE}")
        hit = index["row_id"].cast(pl.String).is_in(ids).fill_null(value=False)
        if not hit.any():
            continue
        for name in names:
            if name.startswith("patterns-"):
                store.files.delete(f"{place}/{name}")
            elif name != ROWS_FILE and name.endswith(".parquet"):
                _rewrite(store.files, f"{place}/{name}", hit, -1)
        for name in store.files.names(f"slices/{digest}"):
            _rewrite(store.files, f"slices/{digest}/{name}", hit, None)
        # last, since by it a rerun knows the places
        store.files.write_parquet(f"{place}/{ROWS_FILE}", blank(index, hit))


def _forget_predictions(files: Files, traces: Traces) -> None:
    """Take the rows out of what end models said of them."""
    for file in files.walk(PREDICTIONS):
        if file.path.endswith(".parquet"):
            left = traces.rows(files.read_parquet(file.path))
            if left is not None:
                files.write_parquet(file.path, left)


def _rewrite(files: Files, path: str, hit: pl.Series, nothing: int | None) -> None:
    metadata = files.parquet_schema(path).metadata or {}
    kept = {key.decode(): value.decode() for key, value in metadata.items()}
    frame = files.read_parquet(path)
    blanked = frame.select(
        pl.when(~hit)
        .then(pl.col(name))
        .otherwise(pl.lit(value=False) if kind == pl.Boolean else pl.lit(nothing))
        .cast(kind)
        .alias(name)
        for name, kind in frame.schema.items()
    )
    files.write_parquet(path, blanked, kept)


def _forget_events(store: Store, name: str, traces: Traces, erasure: Erasure) -> Erasure:
    """Write the files of an append-only table anew, in every version."""
    table = next(table for table in store.event_tables if table.name == name)
    files = store.files.at(name)
    if table.version() is None:
        return erasure
    change = _words_of(traces) if name == "decisions" else traces.rows
    successors: dict[str, Successor] = {}
    for path in data_files(files):
        successor = write_successor(files, path, change)
        if successor is not None:
            successors[path] = successor
    if successors:
        # once the history names them no more, only the record tells a rerun what is left to delete
        erasure = _noted(store, erasure, replaced=(f"{name}/{path}" for path in successors))
        table.begin_erasure(erasure.id)
        rename_in_history(files, successors)
    for path in erasure.replaced:
        # another table's may still be named by its history, where a killed call came no further
        if path.startswith(f"{name}/"):
            store.files.delete(path)
    if table.erasing() == erasure.id:
        table.end_erasure(erasure.id)
    return erasure


def _forget_left_overs(store: Store, traces: Traces, erasure: Erasure) -> tuple[str, ...]:
    """Delete what killed writers left and may hold such rows; return what is too young for it."""
    suspects = [file for file in store.files.walk() if is_temporary(file.path)]
    for name in EVENTS[:2]:
        files = store.files.at(name)
        suspects += [
            replace(file, path=f"{name}/{file.path}")
            for file in unnamed_files(files)
            if traces.rows(files.read_parquet(file.path)) is not None
        ]
    suspects = [file for file in suspects if file.path not in erasure.replaced]
    since = datetime.now(UTC).timestamp() - ABANDONED
    for file in suspects:
        if file.modified < since:
            store.files.delete(file.path)
    return tuple(file.path for file in suspects if file.modified >= since)


def _words_of(traces: Traces) -> Callable[[pl.DataFrame], pl.DataFrame | None]:
    def change(frame: pl.DataFrame) -> pl.DataFrame | None:
        texts = pl.Series("why", [None if t is None else traces.words(t) for t in frame["why"]])
        return None if texts.equals(frame["why"]) else frame.with_columns(texts)

    return change


def _forget_lines(place: Files, traces: Traces) -> None:
    """Take the records out of the files that experts were given and gave back."""
    for folder in ("asks", "answers"):
        for name in place.names(folder):
            path = f"{folder}/{name}"
            if place.exists(path):
                left = traces.lines(name.lower(), place.read_bytes(path))
                if left is not None:
                    place.write_bytes(path, left)


def _forget_dossiers(files: Files, traces: Traces) -> None:
    """Delete the bundles that hold such rows; the flow `audit` makes them anew."""
    for file in _dossiers_with(files, traces):
        files.delete(file)


def _dossiers_with(files: Files, traces: Traces) -> list[str]:
    return [
        file.path
        for file in files.walk("dossiers")
        if any(traces.named_in(text) for text in _texts(file.path, files.read_bytes(file.path)))
    ]


def _texts(path: str, data: bytes) -> list[str]:
    if not path.endswith(".zip"):
        return [data.decode("utf-8", errors="replace")]
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        names = [name for name in bundle.namelist() if not name.endswith(".svg")]
        return [bundle.read(name).decode("utf-8", errors="replace") for name in names]


def _survey(store: Store, traces: Traces, exchange: Files | None) -> dict[str, int]:
    """Count the files that hold such rows, by place; nothing is written."""
    found = Counter[str]()
    ids = list(traces.row_ids)
    for name in ("labels", "votes", PREDICTIONS, *EVENTS[:2]):
        for file in store.files.walk(name):
            if not file.path.endswith(".parquet") or "/_delta_log/" in file.path:
                continue
            names = store.files.parquet_schema(file.path).names
            if "row_id" in names:
                column = store.files.read_parquet(file.path, columns=["row_id"])["row_id"]
                found[name] += bool(column.cast(pl.String).is_in(ids).any())
    found["dossiers"] = len(_dossiers_with(store.files, traces))
    for place in (store.files.at("exchange"), exchange):
        for folder in ("asks", "answers") if place is not None else ():
            for name in place.names(folder) if place is not None else ():
                path = f"{folder}/{name}"
                if place is not None and place.exists(path):
                    left = traces.lines(name.lower(), place.read_bytes(path))
                    found["exchange"] += left is not None
    return {name: count for name, count in found.items() if count}


def _under_way(store: Store) -> tuple[str, ...]:
    """Return the runs of the last day that left no record."""
    day = datetime.now(UTC).timestamp() - 86_400
    names: dict[str, list[tuple[str, float]]] = {}
    for file in store.files.walk("runs"):
        run, _, name = file.path.removeprefix("runs/").partition("/")
        names.setdefault(run, []).append((name, file.modified))
    return tuple(
        run
        for run, left in names.items()
        if "record.json" not in {name for name, _ in left}
        and max(moment for _, moment in left) > day
    )


def _book(store: Store, erasure: Erasure, rows: int) -> None:
    why = f"{erasure.why} ({rows} rows; erasure {erasure.id})"
    batch = f"forget:{erasure.id}:{erasure.begun}"
    decide(store.decisions, Decision("forget", erasure.who, why), batch=batch)
