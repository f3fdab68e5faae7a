"""Event tables: append-only Delta tables in which every batch lands exactly once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import floor
from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from labelpress.errors import PublicationRefusedError, StoreError
from labelpress.tables.faults import explain, store_faults
from labelpress.tables.options import delta_options, resolve
from labelpress.tables.versions import ERASED, ERASING, erasing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import EllipsisType

PROPERTIES = {
    # Delta drops old log entries and removed files after days unless it is told otherwise.
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
"""Properties of every table of a store: nothing is forgotten but by our own maintenance."""

_ATTEMPTS = 30


@dataclass(frozen=True)
class EventTable:
    """
    An append-only table, as a value that travels to workers.

    It comes into being with the first append. A batch has an id; the table remembers the last
    number per id, so appending a batch again, in this process or another, changes nothing.
    """

    uri: str
    storage_options: Mapping[str, str] = field(repr=False, hash=False)
    name: str
    schema: pl.Schema = field(repr=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "uri", resolve(self.uri))

    def version(self) -> int | None:
        """Return the Delta version; None where nothing has been appended yet."""
        table = self._open()
        return None if table is None else table.version()

    def read(self, version: int | None = None) -> pl.DataFrame:
        """
        Return all events, as of a Delta version or now; no rows where there is no table.

        A column that a later labelpress added is null in older events.
        """
        with store_faults(f"Reading the {self.name}", self.uri):
            table = self._open(version)
            if table is None:
                return self.schema.to_frame()
            frame = pl.DataFrame(table.to_pyarrow_table())
        absent = [
            pl.lit(None, dtype).alias(name)
            for name, dtype in self.schema.items()
            if name not in frame.columns
        ]
        return frame.with_columns(absent).select(self.schema.names()).cast(self.schema)

    def read_frozen(self, version: int | None) -> pl.DataFrame:
        """Return the events as of the version that a run froze; None froze that there were none."""
        return self.schema.to_frame() if version is None else self.read(version)

    def has(self, batch: str, number: int = 1) -> bool:
        """Say whether a batch has been appended."""
        return (self.last(batch) or 0) >= number

    def last(self, batch: str) -> int | None:
        """Return the last number appended under a batch id; None where there is none."""
        table = self._open()
        last: int | None = None if table is None else table.transaction_version(batch)
        return last

    def append(
        self,
        frame: pl.DataFrame,
        batch: str,
        number: int = 1,
        *,
        expect_version: int | EllipsisType | None = ...,
    ) -> bool:
        """
        Append a batch; return False, and write nothing, where it is in the table already.

        Numbers of one batch id start at 1 and grow: one up to the last counts as appended. An
        empty frame is remembered like any other. With `expect_version` the batch lands only if
        the table still is at that version (None: does not exist), else
        `PublicationRefusedError` names the version found. Raises `StoreError` where the columns
        are not the table's.
        """
        return bool(self._append({(batch, number): frame}, expect_version))

    def append_all(self, frames: Mapping[tuple[str, int], pl.DataFrame]) -> tuple[str, ...]:
        """
        Append batches, by id and number, in one commit, but for those that are in the table.

        Returns the ids of what was appended. Each commit costs every later reader a request.
        """
        return self._append(frames, ...)

    def _append(
        self,
        frames: Mapping[tuple[str, int], pl.DataFrame],
        expect_version: int | EllipsisType | None,
    ) -> tuple[str, ...]:
        conformed = {key: self._conform(frame) for key, frame in frames.items()}
        for _ in range(_ATTEMPTS):
            with store_faults(f"Appending to the {self.name}", self.uri):
                table = self._open()
                wanted = {key: f for key, f in conformed.items() if not _has(table, *key)}
                if not wanted:
                    return ()
                found = None if table is None else table.version()
                if (
                    expect_version is not ...
                    and found != expect_version
                    and not _only_maintained(table, expect_version)
                ):
                    raise self._moved(expect_version, found)
                if table is None:
                    self._create()
                    table = DeltaTable(self.uri, storage_options=self._options)
                    # Somebody may have created it in between, and appended.
                    if expect_version is None and table.version() != 0:
                        raise self._moved(None, table.version())
                    wanted = {key: f for key, f in wanted.items() if not _has(table, *key)}
                    if not wanted:
                        return ()
                if missing := _missing(table, self.schema):
                    raise StoreError(
                        f"The {self.name} at {self.uri} were written by an earlier labelpress: "
                        f"they have no {', '.join(missing)}. Run `labelpress upgrade PROJECT` once."
                    )
                if self._commit(table, wanted, strict=expect_version is not ...):
                    return tuple(batch for batch, _ in wanted)
        batches = ", ".join(repr(batch) for batch, _ in frames)
        raise StoreError(
            f"The {self.name} at {self.uri} changed {_ATTEMPTS} times while batch {batches} was "
            "being appended. Nothing of it was written: run again when fewer runs write there."
        )

    def file_count(self) -> int:
        """Return how many files a reader of the table opens."""
        table = self._open()
        return 0 if table is None else len(table.file_uris())

    def paths(self) -> frozenset[str]:
        """Return the files that a reader of the table opens, relative to it."""
        table = self._open()
        if table is None:
            return frozenset()
        adds = pl.DataFrame(table.get_add_actions(flatten=True))
        return frozenset(unquote(path) for path in adds["path"])

    def erasing(self) -> str | None:
        """Return the id of the erasure that has begun here and not ended."""
        table = self._open()
        return None if table is None else erasing(table.history())

    def compact(self) -> None:
        """
        Make one file of many small ones; rows, their order, batch ids and versions stay.

        Where somebody appends at the same moment, or rows are being erased, it is left for later.
        """
        table = self._open()
        if table is None:
            return
        if self.erasing() is not None:
            return
        # without retries, so that it is refused where an erasure begins meanwhile
        properties = CommitProperties(max_commit_retries=0)
        with store_faults(f"Compacting the {self.name}", self.uri), suppress(CommitFailedError):
            table.optimize.compact(commit_properties=properties)

    def replaced(self, before: datetime, seen: Sequence[int]) -> tuple[str, ...]:
        """
        Return the files, relative to the table, that compaction replaced before a time.

        Those that one of the `seen` versions reads are not among them.
        """
        table = self._open()
        if table is None:
            return ()
        hours = max(0, floor((datetime.now(UTC) - before).total_seconds() / 3600))
        with store_faults(f"Looking for old files of the {self.name}", self.uri):
            found = table.vacuum(
                retention_hours=hours,
                dry_run=True,
                enforce_retention_duration=False,
                keep_versions=list(seen),
            )
        return tuple(sorted(unquote(path) for path in found))

    def begin_erasure(self, erasure: str) -> None:
        """Compact nothing until `end_erasure`; appends go on."""
        self._note({ERASING: erasure})

    def end_erasure(self, erasure: str) -> None:
        """Allow compaction again."""
        self._note({ERASED: erasure})

    def _note(self, metadata: dict[str, str]) -> None:
        table = self._open()
        if table is not None:
            with store_faults(f"Marking the {self.name}", self.uri):
                table.create_write_transaction(
                    [],
                    mode="append",
                    schema=table.schema(),
                    commit_properties=CommitProperties(custom_metadata=metadata),
                )

    def add_columns(self) -> tuple[str, ...]:
        """Add the columns that an earlier labelpress did not write; return their names."""
        table = self._open()
        missing = () if table is None else _missing(table, self.schema)
        if table is not None and missing:
            fields = Schema.from_arrow(self.schema.to_frame().select(missing).to_arrow().schema)
            with store_faults(f"Adding columns to the {self.name}", self.uri):
                table.alter.add_columns(list(fields.fields))
        return missing

    def remembers(self) -> bool:
        """Say whether Delta keeps all versions of the table; so does one that does not exist."""
        table = self._open()
        return table is None or keeps_versions(table)

    @property
    def _options(self) -> dict[str, str] | None:
        return delta_options(self.uri, self.storage_options)

    def _open(self, version: int | None = None) -> DeltaTable | None:
        with store_faults(f"Opening the {self.name}", self.uri):
            try:
                return DeltaTable(self.uri, version=version, storage_options=self._options)
            except TableNotFoundError:
                return None
            except DeltaError as error:
                if version is None or explain(error, "", "") is not None:
                    raise
                raise StoreError(
                    f"The {self.name} at {self.uri} have no version {version} that can be read "
                    f"({str(error).splitlines()[0]}). Give one between 0 and {self.version()}."
                ) from error

    def _create(self) -> None:
        create_table(self.uri, self.schema, self._options, {"delta.appendOnly": "true"})

    def _commit(
        self,
        table: DeltaTable,
        frames: Mapping[tuple[str, int], pl.DataFrame],
        *,
        strict: bool,
    ) -> bool:
        """Commit once; False where another commit was in the way and it is to be tried again."""
        # Without retries a commit is a compare-and-swap. With them delta-rs moves an append
        # behind other appends by itself, but refuses one whose batch id has just been used.
        properties = CommitProperties(
            app_transactions=[Transaction(batch, number) for batch, number in frames],
            max_commit_retries=0 if strict else None,
        )
        rows = pl.concat(frames.values())
        try:
            write_deltalake(table, rows, mode="append", commit_properties=properties)
        except CommitFailedError as error:
            explained = explain(error, f"Appending to the {self.name}", self.uri)
            if explained is not None:
                raise explained from error
            return False
        return True

    def _conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        if set(frame.columns) != set(self.schema.names()):
            missing = sorted(set(self.schema.names()) - set(frame.columns))
            extra = sorted(set(frame.columns) - set(self.schema.names()))
            raise StoreError(
                f"A batch for the {self.name} has other columns than the table: missing "
                f"{missing or 'none'}, not known {extra or 'none'}. Nothing was written."
            )
        return frame.select(self.schema.names()).cast(self.schema)

    def _moved(self, expected: int | None, found: int | None) -> PublicationRefusedError:
        return PublicationRefusedError(
            f"The {self.name} moved on: version {found} was found where {expected} was expected. "
            "Look at what was added since, and decide again."
        )


def create_table(
    uri: str,
    schema: pl.Schema,
    options: dict[str, str] | None,
    properties: Mapping[str, str],
    partition_by: list[str] | None = None,
) -> None:
    """Create a Delta table as version 0; nothing happens where one exists or appears meanwhile."""
    try:
        # mode="ignore" let two creators race: one of them committed a second, conflicting
        # creation as version 1. Without retries only one can be version 0.
        DeltaTable.create(
            uri,
            schema.to_frame().to_arrow().schema,
            mode="error",
            partition_by=partition_by,
            configuration=PROPERTIES | dict(properties),
            storage_options=options,
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except DeltaError as error:
        explained = explain(error, "Creating a table", uri)
        if explained is not None:
            raise explained from error
        if not DeltaTable.is_deltatable(uri, storage_options=options):
            raise


def keeps_versions(table: DeltaTable) -> bool:
    """Say whether Delta leaves a table's log and replaced files to our own maintenance."""
    return PROPERTIES.items() <= table.metadata().configuration.items()


_MAINTENANCE = {"OPTIMIZE", "VACUUM START", "VACUUM END"}


def _only_maintained(table: DeltaTable | None, expected: int | None) -> bool:
    """Say whether the table holds the same events as it did at an earlier version."""
    if table is None or expected is None or expected > table.version():
        return False
    commits = table.history(table.version() - expected)
    return all(
        commit.get("operation") in _MAINTENANCE or ERASING in commit or ERASED in commit
        for commit in commits
    )


def _missing(table: DeltaTable, schema: pl.Schema) -> tuple[str, ...]:
    there = {field.name for field in table.schema().fields}
    return tuple(name for name in schema.names() if name not in there)


def _has(table: DeltaTable | None, batch: str, number: int) -> bool:
    return table is not None and (table.transaction_version(batch) or 0) >= number
