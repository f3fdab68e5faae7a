"""Erasure in what runs left: manifests, the answers they used, their reports and drafts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labelpress.errors import LabelpressError
from labelpress.manifest import folder, read_answers, read_manifest, write_manifest
from labelpress.report.writing import render_again
from labelpress.row_index import erased_positions
from labelpress.runs import run_ids
from labelpress.vote_files import ROWS_FILE
from labelpress.vote_files import folder as votes_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.erasure.scrubbing import Traces
    from labelpress.manifest import LabelEntry, Manifest
    from labelpress.store import Store
    from labelpress.tables.history import Successor

_COUNTS = ("sample.parquet", "patterns.parquet")


def runs_that_name(store: Store, traces: Traces) -> tuple[str, ...]:
    """Return the runs whose report or verdict names the rows: MLflow has copies of these."""
    return tuple(
        run
        for run in run_ids(store)
        if any(
            store.files.exists(path) and traces.named_in(store.files.read_bytes(path).decode())
            for path in (f"{folder(run)}/{name}" for name in ("report.html", "gate.json"))
        )
    )


def forget_in_runs(store: Store, traces: Traces, label_files: Mapping[str, Successor]) -> None:
    """
    Take rows out of what every run left.

    The rows are dropped like those that a later row of the same id replaces, so all that was
    counted, learnt and decided stays as it was, and the other rows are replayed to the bit.
    """
    places: dict[str, list[int]] = {}
    for run in run_ids(store):
        manifest = read_manifest(store.files, run)
        if manifest is not None:
            _forget_in_manifest(store, manifest, traces, label_files, places)
        for name in ("gate.json", "draft.json", "record.json", "report.json"):
            path = f"{folder(run)}/{name}"
            if store.files.exists(path):
                plain = store.files.read_json(path)
                left = traces.value(plain)
                if left != plain:
                    store.files.write_json(path, left)
        _forget_in_report(store, run, traces)


def _forget_in_manifest(
    store: Store,
    manifest: Manifest,
    traces: Traces,
    label_files: Mapping[str, Successor],
    places: dict[str, list[int]],
) -> None:
    dropped = {part: list(positions) for part, positions in manifest.dropped.items()}
    for partition in manifest.partitions:
        digest = partition.digest
        if digest not in places:
            there = store.files.exists(f"{votes_folder(digest)}/{ROWS_FILE}")
            places[digest] = erased_positions(digest, store.files) if there else []
        if places[digest]:
            both = {*dropped.get(partition.part, ()), *places[digest]}
            dropped[partition.part] = sorted(both)
    answers = read_answers(store.files, manifest.run)
    changed = manifest.with_(
        dropped=dropped,
        entries=tuple(_moved(entry, label_files) for entry in manifest.entries),
        diff=traces.value(manifest.diff),
        restated=traces.value(manifest.restated),
        verdict=traces.value(manifest.verdict),
    )
    left = traces.rows(answers)
    if changed != manifest or left is not None:
        if dropped != manifest.dropped:
            # they are counted with the rows; the next run counts anew
            for name in _COUNTS:
                store.files.delete(f"{folder(manifest.run)}/{name}")
        write_manifest(store.files, changed, answers if left is None else left)


def _moved(entry: LabelEntry, label_files: Mapping[str, Successor]) -> LabelEntry:
    successor = label_files.get(entry.path)
    if successor is None:
        return entry
    return replace(entry, path=successor.path, size=successor.size, rows=successor.rows)


def _forget_in_report(store: Store, run: str, traces: Traces) -> None:
    """Write a report anew that names such a row; one that cannot be is deleted."""
    path = f"{folder(run)}/report.html"
    if not store.files.exists(path):
        return
    if not traces.named_in(store.files.read_bytes(path).decode()):
        return
    try:
        store.files.write_bytes(path, render_again(store, run).encode())
    except LabelpressError:
        store.files.delete(path)
