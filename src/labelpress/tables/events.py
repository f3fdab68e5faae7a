"""Event tables: append-only Delta tables in which every batch lands exactly once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from labelpress.errors import PublicationRefusedError, StoreError
from labelpress.tables.faults import explain, store_faults
from labelpress.tables.options import delta_options, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping
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
        rows = self._conform(frame)
        for _ in range(_ATTEMPTS):
            with store_faults(f"Appending to the {self.name}", self.uri):
                table = self._open()
                if table is not None and _has(table, batch, number):
                    return False
                found = None if table is None else table.version()
                if expect_version is not ... and found != expect_version:
                    raise self._moved(expect_version, found)
                if table is None:
                    self._create()
                    table = DeltaTable(self.uri, storage_options=self._options)
                    # Somebody may have created it in between, and appended.
                    if expect_version is None and table.version() != 0:
                        raise self._moved(None, table.version())
                    if _has(table, batch, number):
                        return False
                if self._commit(table, rows, batch, number, strict=expect_version is not ...):
                    return True
        raise StoreError(
            f"The {self.name} at {self.uri} changed {_ATTEMPTS} times while batch {batch!r} was "
            "being appended. Nothing of it was written: run again when fewer runs write there."
        )

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
        self, table: DeltaTable, rows: pl.DataFrame, batch: str, number: int, *, strict: bool
    ) -> bool:
        """Commit once; False where another commit was in the way and it is to be tried again."""
        # Without retries a commit is a compare-and-swap. With them delta-rs moves an append
        # behind other appends by itself, but refuses one whose batch id has just been used.
        properties = CommitProperties(
            app_transactions=[Transaction(batch, number)],
            max_commit_retries=0 if strict else None,
        )
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


def _has(table: DeltaTable, batch: str, number: int) -> bool:
    return (table.transaction_version(batch) or 0) >= number
