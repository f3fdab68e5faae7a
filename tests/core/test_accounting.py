"""What a stage takes is measured where it is done: by partition on the workers, and in the flow."""

from __future__ import annotations

import polars as pl
import pytest

from labelpress.accounting import accounted
from labelpress.booking import book
from labelpress.errors import ProjectError
from labelpress.ledger import GIB
from labelpress.manifest import folder
from labelpress.runs import read_spend
from labelpress.stages.vote import cast_votes
from labelpress.tables.files import Files
from labelpress.traffic import traffic

MODEL = """
from labelpress import model

def _load(uri):
    return 12

def _short(limit, frame):
    return frame["text"].str.len_chars() < limit

judge = model("models:/short/1", _short, label="ham", load=_load, reads=["text"])
"""


def _copy(size, files):
    files.write_bytes(f"{size}", b"x" * size)
    return len(files.read_bytes(f"{size}")) + len(files.read_bytes(f"{size}"))


def test_each_partition_says_what_it_took(cluster, tmp_path):
    """Bytes read and written, CPU seconds and peak memory, by its own work alone."""
    cluster.take_usage()

    cluster.map(_copy, {"small": 1_000, "large": 3_000}, Files(str(tmp_path)))
    usage = cluster.take_usage()

    moved = {row.part: (row.read_bytes, row.written_bytes) for row in usage.table}
    assert moved == {"small": (2_000, 1_000), "large": (6_000, 3_000)}
    assert (usage.traffic.read, usage.traffic.written) == (8_000, 4_000)
    assert all(row.peak_memory_mib > 10 for row in usage.table)
    assert cluster.take_usage().table == ()


def test_threads_do_not_count_each_others_bytes(cluster, tmp_path):
    """The flow's thread has read nothing of what the workers read."""
    before = traffic()

    cluster.map(_copy, {f"{n}": n for n in range(1, 20)}, Files(str(tmp_path)))

    assert traffic() == before


def test_a_stage_is_booked_with_bytes_and_model_calls(project, cluster):
    """The vote stage of a project whose model judges twelve rows at two cents each."""
    project.heuristics((project.path / "heuristics.py").read_text() + MODEL)
    project.configure(
        "[experts]",
        "[costs]\nread_usd_per_gib = 1e6\nmodel_usd_per_call = { judge = 0.02 }\n[experts]",
    )
    plan = project.plan(cluster)
    run = project.open()
    with accounted(run, "vote", cluster) as account:
        voted = cast_votes(run, plan, cluster)
        account.model_calls = voted.model_calls

    spend = read_spend(run.store, run.id, "vote")
    source = sum(p.file.size for p in plan.manifest.partitions)
    assert spend.bytes_read > source / 4, "the texts are most of the source"
    assert spend.bytes_written > 0
    book(run, voted.manifest)
    booked = project.store.ledger.read()
    assert project.store.ledger.version() == 1, "one commit beside the creation, whatever is booked"
    calls = booked.filter(pl.col("what") == "model calls")
    assert calls.select("heuristic", "quantity").rows() == [("judge", 12.0)]
    assert calls["usd"].item() == pytest.approx(0.24)
    read = booked.filter((pl.col("what") == "bytes read") & (pl.col("stage") == "vote"))
    assert read["usd"].item() == pytest.approx(spend.bytes_read / GIB * 1e6)
    table = run.store.files.read_parquet(f"{folder(run.id)}/spend/vote.parquet")
    assert {"day-1.parquet", "day-2.parquet", "day-3.parquet"} <= set(table["part"])


def test_a_price_for_what_is_no_model_is_refused(project):
    """It would be a bill that is never written."""
    project.heuristics((project.path / "heuristics.py").read_text() + MODEL)
    project.configure("[experts]", "[costs]\nmodel_usd_per_call = { jugde = 0.02 }\n[experts]")

    with pytest.raises(ProjectError, match=r"'jugde', which is no model heuristic.*judge"):
        project.open()
