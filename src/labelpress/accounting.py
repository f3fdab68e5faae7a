"""Accounting: what a stage uses is measured around it and saved even when it fails."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labelpress.errors import StoreError
from labelpress.ledger import Spend
from labelpress.runs import save_spend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labelpress.cluster import Cluster, PartitionRow
    from labelpress.runs import Run


@dataclass(slots=True)
class Account:
    """What a stage says of itself; the rest is measured."""

    heuristic_seconds: Mapping[str, float] = field(default_factory=dict)
    saved_seconds: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0
    table: tuple[PartitionRow, ...] = ()
    """Set when the stage has ended."""


@contextmanager
def accounted(run: Run, stage: str, cluster: Cluster) -> Iterator[Account]:
    """Measure a stage and save what it used; a dry run, which writes nothing, is not accounted."""
    account = Account()
    wall, cpu = time.perf_counter(), time.process_time()
    cluster.take_usage()
    failed = True
    try:
        yield account
        failed = False
    finally:
        worker_seconds, peak, account.table = cluster.take_usage()
        spend = Spend(
            stage=stage,
            wall_seconds=time.perf_counter() - wall,
            worker_seconds=worker_seconds,
            flow_seconds=time.process_time() - cpu,
            heuristic_seconds=account.heuristic_seconds,
            bytes_read=account.bytes_read,
            bytes_written=account.bytes_written,
            saved_seconds=account.saved_seconds,
            peak_memory_bytes=peak,
        )
        if run.mode != "dry-run":
            try:
                save_spend(run, spend)
            except StoreError:
                # A full disk refuses this too; why the stage failed is what a person must know.
                if not failed:
                    raise
