"""Accounting: what a stage uses is measured around it and saved even when it fails."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labelpress.errors import StoreError
from labelpress.ledger import Spend
from labelpress.runs import save_spend
from labelpress.traffic import traffic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labelpress.cluster import Cluster, PartitionRow
    from labelpress.runs import Run


@dataclass(slots=True)
class Account:
    """What a stage says of itself; the rest is measured."""

    heuristic_seconds: Mapping[str, float] = field(default_factory=dict)
    saved_seconds: float = 0.0
    model_calls: Mapping[str, int] = field(default_factory=dict)
    table: tuple[PartitionRow, ...] = ()
    """Set when the stage has ended."""


@contextmanager
def accounted(run: Run, stage: str, cluster: Cluster) -> Iterator[Account]:
    """Measure a stage and save what it used; a dry run, which writes nothing, is not accounted."""
    account = Account()
    wall, cpu, moved = time.perf_counter(), time.process_time(), traffic()
    cluster.take_usage()
    failed = True
    try:
        yield account
        failed = False
    finally:
        usage = cluster.take_usage()
        account.table = usage.table
        here = traffic().since(moved)
        spend = Spend(
            stage=stage,
            wall_seconds=time.perf_counter() - wall,
            worker_seconds=usage.cpu_seconds,
            flow_seconds=time.process_time() - cpu,
            heuristic_seconds=account.heuristic_seconds,
            bytes_read=usage.traffic.read + here.read,
            bytes_written=usage.traffic.written + here.written,
            model_calls=account.model_calls,
            saved_seconds=account.saved_seconds,
            peak_memory_bytes=usage.peak_memory_bytes,
        )
        if run.mode != "dry-run":
            try:
                save_spend(run, spend, usage.table)
            except StoreError:
                # A full disk refuses this too; why the stage failed is what a person must know.
                if not failed:
                    raise
