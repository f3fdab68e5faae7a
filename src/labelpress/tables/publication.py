"""The labels table: label versions are published, restored and read here, and nowhere else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from labelpress.errors import PublicationRefusedError, StoreError
from labelpress.tables import rules
from labelpress.tables.events import create_table, keeps_versions
from labelpress.tables.faults import explain, store_faults
from labelpress.tables.files import Files
from labelpress.tables.label_commits import bring_back, files_of, note, replace_partitions
from labelpress.tables.label_files import RowIdType, label_schema, write_label_file
from labelpress.tables.options import delta_options, polars_options, resolve
from labelpress.tables.versions import (
    ERASED,
    ERASING,
    Kind,
    LabelFile,
    LabelVersion,
    Publication,
    commit_metadata,
    erasing,
    publications,
    removal_metadata,
    removed_runs,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Kind", "LabelFile", "LabelTable", "LabelVersion", "Publication", "RowIdType"]

_ATTEMPTS = 100
_LOOKS_AT_ONCE = 16


@dataclass(frozen=True)
class LabelTable:
    """The labels table of a store, as a value that travels to workers."""

    uri: str
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "uri", resolve(self.uri))

    def create(self, row_id_type: RowIdType) -> None:
        """
        Create the table; nothing happens where it exists.

        Raises `StoreError` where its row ids are of the other type.
        """
        found = self.row_id_type()
        if found is None:
            schema = label_schema(row_id_type)
            with store_faults("Creating the labels table", self.uri):
                create_table(self.uri, schema, self._options, {}, partition_by=["part"])
            found = self.row_id_type()
        if found != row_id_type:
            raise StoreError(
                f"row_id is {found} in the store at {self.uri}, but {row_id_type} in the source. "
                "Cast the source's id column, or use another [store] uri."
            )

    def row_id_type(self) -> RowIdType | None:
        """Return the type of the row ids; None where the table does not exist."""
        table = self._open()
        if table is None:
            return None
        types = {item.name: str(item.type) for item in pa.schema(table.schema().to_arrow())}
        return "int64" if types["row_id"] == "int64" else "string"

    def versions(self) -> tuple[LabelVersion, ...]:
        """Return the publications, oldest first; creation and maintenance are none."""
        table = self._open()
        return () if table is None else publications(table.history())

    def current(self) -> LabelVersion | None:
        """Return the publication that consumers read now."""
        versions = self.versions()
        return versions[-1] if versions else None

    def find(self, version: int | None = None, period: str | None = None) -> LabelVersion:
        """
        Return a publication: by version, the last printing of a period, or the current one.

        A period's printing is found also after it was rolled back. Raises `StoreError` where
        there is none such, or maintenance has removed it.
        """
        versions = self.versions()
        if not versions:
            raise StoreError(f"No label version has been published at {self.uri} yet.")
        if version is not None:
            found = [known for known in versions if known.version == version]
            last = [str(known.version) for known in versions]
            asked = f"{version} is not a label version"
        elif period is not None:
            printed = [known for known in versions if known.printed]
            found = [known for known in printed if known.period == period]
            last = list(dict.fromkeys(known.period for known in printed))
            asked = f"{period!r} is not a period with a label version"
        else:
            return versions[-1]
        if not found:
            raise StoreError(f"{asked} of {self.uri}; the last ones are {', '.join(last[-5:])}.")
        if found[-1].removed is not None:
            kept = [known for known in versions if known.removed is None]
            raise StoreError(
                f"{found[-1]} was removed by maintenance on {found[-1].removed:%Y-%m-%d}, as "
                f"[retention] in project.toml says; the oldest that is kept is {kept[0]}."
            )
        return found[-1]

    def files(self, version: int | None = None) -> tuple[LabelFile, ...]:
        """Return the files of a publication (None: the current one) in order of part."""
        if version is None and self.current() is None:
            return ()
        return files_of(self._at(self.find(version).version))

    def read(self, version: int | None = None) -> pl.LazyFrame:
        """Return the labels of a publication (None: the current one), pinned to its version."""
        found = self.find(version)
        options = polars_options(self.uri, self.storage_options)
        return pl.scan_delta(self._at(found.version), storage_options=options)

    def write(self, part: str, run: str, frame: pl.DataFrame) -> LabelFile:
        """Write the labels of a partition as a candidate file that no reader sees yet."""
        return write_label_file(self._store, part, run, frame)

    def publish(self, publication: Publication) -> LabelVersion:
        """
        Publish a candidate in one commit, or not at all.

        A run that published this slot already gets its version back. Raises
        `PublicationRefusedError`, naming the version found, where somebody else was first, and
        where a rule of `labelpress.tables.rules` fails.
        """
        sizes = self._sizes(publication.files)
        for _ in range(_ATTEMPTS):
            table, state = self._state(publication.period)
            mine = rules.already_published(publication, state)
            if mine is not None:
                return mine
            rules.check_not_erasing(state)
            rules.check_slot(publication, state)
            rules.check_table(state, f"Run {publication.run} may not publish")
            rules.check_not_removed(publication, state)
            rules.check_parts(publication, state)
            rules.check_files(publication, state, sizes)
            self._check_columns(table, publication)
            if self._commit(table, publication):
                return self.find(state.version + 1)
        raise _busy(f"Run {publication.run} could not publish")

    def restore(
        self, version: int, reason: str, who: str, *, base_version: int | None = None
    ) -> LabelVersion:
        """
        Bring back the labels of an earlier publication as a new label version.

        The printings since then keep their slots: what was printed stays printed. Restoring what
        is current already returns the current version. With `base_version` it is refused when
        the current version is no longer the one that the person saw.
        """
        for _ in range(_ATTEMPTS):
            table, state = self._state("")
            rules.check_not_erasing(state)
            target = rules.check_restore(state, version, base_version)
            if target is None:
                return state.versions[-1]
            self._check_kept(target)
            with store_faults("Restoring labels", self.uri):
                try:
                    bring_back(table, target, who, reason)
                except CommitFailedError as error:
                    self._raise_if_fault(error)
                    continue
                except DeltaError:
                    # Maintenance may have deleted files since they were looked at.
                    self._check_kept(target)
                    raise
            return self.find(state.version + 1)
        raise _busy(f"Version {version} could not be restored")

    def mark_removed(
        self, delta_version: int, versions: Sequence[int], runs: Sequence[str]
    ) -> bool:
        """
        Remember, before their files are deleted, which publications and runs are given up.

        From then on nothing restores those versions and nothing publishes those runs. False, and
        nothing is remembered, where the table has moved from the Delta version that was looked at.
        """
        table = self._at(delta_version)
        with store_faults("Marking removed labels", self.uri):
            try:
                note(table, removal_metadata(versions, runs))
            except CommitFailedError as error:
                self._raise_if_fault(error)
                return False
        return True

    def begin_erasure(self, erasure: str) -> None:
        """Let nothing change the labels until `end_erasure`; one that has begun goes on."""
        for _ in range(_ATTEMPTS):
            table, state = self._state("")
            if state.erasing is not None:
                if state.erasing != erasure:
                    rules.check_not_erasing(state)
                return
            try:
                note(table, {ERASING: erasure})
            except CommitFailedError as error:
                self._raise_if_fault(error)
                continue
            return
        raise _busy("Rows could not be erased")

    def end_erasure(self, who: str, why: str, rows: int) -> LabelVersion | None:
        """
        Make the labels without the erased rows a new label version; None where there is none.

        So whatever was computed before is refused: it was compared with an earlier version.
        """
        for _ in range(_ATTEMPTS):
            table, state = self._state("")
            current, version = state.current, table.version() + 1
            if current is None:
                note(table, {ERASED: "none"})
                return None
            meta = {"who": who, "reason": why, "rows": str(rows)}
            facts = commit_metadata(
                version,
                kind="erasure",
                run=current.run,
                period=current.period,
                printing=current.printing,
                meta=meta,
            )
            try:
                note(table, facts, Transaction("labels", version))
            except CommitFailedError as error:
                self._raise_if_fault(error)
                continue
            return self.find(version)
        raise _busy("The erasure could not be ended")

    def look(self) -> tuple[int, tuple[LabelVersion, ...], frozenset[str]]:
        """Return the Delta version now, all publications up to it, and the runs given up."""
        table = self._open()
        if table is None:
            return -1, (), frozenset()
        history = table.history()
        return table.version(), publications(history), removed_runs(history)

    def files_at(self, delta_version: int) -> tuple[LabelFile, ...]:
        """Return the files of any Delta version, a publication or not."""
        return files_of(self._at(delta_version))

    def remembers(self) -> bool:
        """Say whether Delta keeps all versions of the table; so does one that does not exist."""
        table = self._open()
        return table is None or keeps_versions(table)

    @property
    def _options(self) -> dict[str, str] | None:
        return delta_options(self.uri, self.storage_options)

    @cached_property
    def _store(self) -> Files:
        return Files(self.uri, self.storage_options)

    def __getstate__(self) -> dict[str, object]:
        return {"uri": self.uri, "storage_options": dict(self.storage_options)}

    def _open(self) -> DeltaTable | None:
        with store_faults("Opening the labels table", self.uri):
            try:
                return DeltaTable(self.uri, storage_options=self._options)
            except TableNotFoundError:
                return None

    def _at(self, version: int) -> DeltaTable:
        with store_faults("Opening the labels table", self.uri):
            return DeltaTable(self.uri, version=version, storage_options=self._options)

    def _state(self, period: str) -> tuple[DeltaTable, rules.TableState]:
        table = self._open()
        if table is None:
            raise StoreError(
                f"There is no labels table at {self.uri}; create it before publishing."
            )
        history = table.history()
        versions = publications(history)
        files = files_of(table)
        if versions and versions[-1].version != table.version():
            untouched = files == files_of(self._at(versions[-1].version))
        else:
            untouched = bool(versions) or not files
        return table, rules.TableState(
            version=table.version(),
            versions=versions,
            files=files,
            labels_transaction=table.transaction_version("labels"),
            period_transaction=table.transaction_version(f"period:{period}"),
            untouched=untouched,
            removed_runs=removed_runs(history),
            erasing=erasing(history),
        )

    def _commit(self, table: DeltaTable, publication: Publication) -> bool:
        """Commit by compare-and-swap; False where the table moved since it was read."""
        with store_faults("Publishing labels", self.uri):
            try:
                replace_partitions(table, publication)
            except CommitFailedError as error:
                self._raise_if_fault(error)
                return False
        return True

    def _sizes(self, files: Sequence[LabelFile]) -> dict[str, int | None]:
        paths = [file.path for file in files]
        with ThreadPoolExecutor(_LOOKS_AT_ONCE) as pool:
            return dict(zip(paths, pool.map(self._store.size, paths), strict=True))

    def _check_columns(self, table: DeltaTable, publication: Publication) -> None:
        """Refuse a candidate of other columns than the table's; one file stands for the run's."""
        for file in publication.files[:1]:
            fields = {item.name: item for item in pa.schema(table.schema().to_arrow())}
            fields.pop("part")
            wanted = pl.DataFrame(pa.schema(fields.values()).empty_table()).schema
            found = pl.DataFrame(self._store.parquet_schema(file.path).empty_table()).schema
            if found != wanted:
                raise PublicationRefusedError(
                    f"Run {publication.run} may not publish: file {file.path} has the columns "
                    f"{dict(found)}, the labels table has {dict(wanted)}. Nothing was published."
                )

    def _check_kept(self, target: LabelVersion) -> None:
        files = files_of(self._at(target.version))
        sizes = self._sizes(files)
        lost = [file.path for file in files if sizes[file.path] != file.size]
        if lost:
            raise PublicationRefusedError(
                f"{target} cannot be restored: {len(lost)} of its {len(files)} files are gone, "
                f"such as {lost[0]}; maintenance kept only the versions of its policy."
            )

    def _raise_if_fault(self, error: DeltaError) -> None:
        explained = explain(error, "Committing labels", self.uri)
        if explained is not None:
            raise explained from error


def _busy(what: str) -> PublicationRefusedError:
    return PublicationRefusedError(
        f"{what}: the labels table moved {_ATTEMPTS} times in between. Nothing was published; "
        "run again when maintenance has ended."
    )
