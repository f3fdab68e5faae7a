"""The two commits that change labels, as Delta takes them, and the files a commit leaves."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, Transaction
from deltalake.transaction import AddAction

from labelpress.tables.versions import LabelFile, commit_metadata

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import RemoveAction

    from labelpress.tables.versions import LabelVersion, Publication


def files_of(table: DeltaTable) -> tuple[LabelFile, ...]:
    """Return the files of a loaded table, in order of part and path."""
    actions = pa.table(table.get_add_actions(flatten=True)).to_pydict()
    found = zip(
        actions["partition.part"],
        actions["path"],
        actions["size_bytes"],
        actions["num_records"],
        strict=True,
    )
    # The log spells paths percent-encoded, once more than the folder's own name.
    files = (LabelFile(part, unquote(path), size, rows) for part, path, size, rows in found)
    return tuple(sorted(files, key=lambda file: (file.part, file.path)))


def replace_partitions(table: DeltaTable, publication: Publication) -> None:
    """
    Commit a publication as the version after the loaded one.

    Nothing is checked here. Raises `CommitFailedError` where the table has moved.
    """
    now = int(time.time() * 1000)
    adds: list[AddAction | RemoveAction] = [
        AddAction(
            path=file.path,
            size=file.size,
            partition_values={"part": file.part},
            modification_time=now,
            data_change=True,
            stats=json.dumps({"numRecords": file.rows}),
        )
        for file in publication.files
    ]
    parts = sorted({*publication.replaced, *publication.gone_parts})
    version = table.version() + 1
    table.create_write_transaction(
        adds,
        # Without a partition nothing is added or removed: an empty append says so.
        mode="overwrite" if parts else "append",
        schema=table.schema(),
        partition_by=["part"],
        partition_filters=[("part", "in", parts)] if parts else None,
        commit_properties=_compare_and_swap(
            commit_metadata(
                version,
                kind=publication.kind,
                run=publication.run,
                period=publication.period,
                printing=publication.printing,
                meta=publication.meta,
            ),
            Transaction("labels", version),
            Transaction(f"period:{publication.period}", publication.printing),
        ),
    )


def bring_back(table: DeltaTable, target: LabelVersion, who: str, reason: str) -> None:
    """
    Commit the files of an earlier version as the version after the loaded one.

    Raises `CommitFailedError` where the table has moved. Delta's restore() leaves the
    transactions of the periods as they are, so what was printed stays printed.
    """
    version = table.version() + 1
    table.restore(
        target.version,
        commit_properties=_compare_and_swap(
            commit_metadata(
                version,
                kind="restore",
                run=target.run,
                period=target.period,
                printing=target.printing,
                meta={"restored": str(target.version), "who": who, "reason": reason},
            ),
            Transaction("labels", version),
        ),
    )


def note(table: DeltaTable, metadata: dict[str, str], *transactions: Transaction) -> None:
    """
    Commit no change of labels, only what is to be known of them from then on.

    Raises `CommitFailedError` where the table has moved.
    """
    table.create_write_transaction(
        [],
        mode="append",
        schema=table.schema(),
        partition_by=["part"],
        commit_properties=_compare_and_swap(metadata, *transactions),
    )


def _compare_and_swap(metadata: dict[str, str], *transactions: Transaction) -> CommitProperties:
    # With its default of 15 retries delta-rs let two writers of one new partition both land.
    return CommitProperties(
        custom_metadata=metadata, max_commit_retries=0, app_transactions=list(transactions)
    )
