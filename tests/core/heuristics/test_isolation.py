"""Isolation: functions that hang, eat memory, crash or babble do not take the worker with them."""

from __future__ import annotations

import os
import time

import polars as pl
import pytest

from labelpress.child_cpu import child_cpu
from labelpress.errors import HeuristicError
from labelpress.heuristics import cast, cast_cells
from labelpress.heuristics.isolation import Limits, Sandbox

FRAME = pl.DataFrame({"n": [1, 2, 3], "text": ["a", "b", "c"]})
BAD = r"""
import os, re, sys, time
@heuristic(label="spam")
def first(row):
    return row.n > 1
@heuristic(label="spam")
def backtracks(row):
    return re.match(r"(a+)+$", "a" * 60 + "b")  # holds the interpreter's lock for years
@heuristic(label="spam")
def eats(row):
    return [bytearray(50_000_000) for _ in range(1000)]
@heuristic(label="spam")
def dies(row):
    os._exit(3)
@heuristic(label="spam")
def babbles(row):
    for _ in range(100_000):
        print("x" * 100)
    os.write(1, b"straight to the file descriptor")
    return True
@heuristic(label="spam")
def fails(row):
    return 1 / (row.n - 2) > 0
@heuristic()
def nonsense(row):
    return "spm"
def above(n):
    return divmod(n, 9)[1] > 2
udf = heuristic(pl.col("n").map_elements(above, return_dtype=pl.Boolean), label="ham")
words = keywords(["a"], label="ham", column="text")
"""


def test_each_limit_stops_its_heuristic_and_no_other(load, classes):
    """A hang, a memory hog and a crash are failures with a reason; the other votes are kept."""
    h = load(BAD)
    with Sandbox(Limits(seconds=1.5)) as sandbox:
        late = cast_cells(FRAME, [h.pop("backtracks"), h["words"]], classes, sandbox=sandbox)
    with Sandbox(Limits(seconds=120, memory_mb=300)) as sandbox:  # time enough when it is busy
        outcome = cast_cells(FRAME, list(h.values()), classes, sandbox=sandbox)

    assert [f.reason[:40] for f in late.failures] == ["backtracks was stopped after 1.5 s on 3 "]
    assert late.votes.heuristics == ("words",)
    assert [f.reason[:40] for f in outcome.failures] == [
        "eats stopped with MemoryError: . That sa",
        "dies ended its process (exit code 3); it",
        "nonsense, row 0: 'spm' is not a class; t",
    ]
    assert [f.heuristic for f in outcome.failures] == ["eats", "dies", "nonsense"]
    assert outcome.votes.heuristics == ("first", "babbles", "fails", "udf", "words")
    assert outcome.votes.matrix.tolist() == [
        [-1, 1, -1, -1, 0],
        [1, 1, -1, -1, -1],
        [1, 1, 1, 0, -1],
    ]
    assert outcome.votes.faults == (0, 0, 1, 0, 0)


def test_the_child_is_kept_and_ends_with_its_sandbox(load, classes):
    """One child serves all partitions, with its resources, and is gone afterwards."""
    h = load(
        """
        import os
        @heuristic(label="ham", reads=["n"], resources={"pid": os.getpid})
        def same(row, pid):
            return pid == os.getpid()
        """
    )
    with Sandbox() as sandbox:
        cast(FRAME, list(h.values()), classes, sandbox=sandbox)
        child = sandbox._child
        votes = cast(FRAME, list(h.values()), classes, sandbox=sandbox)
        assert sandbox._child is child
        assert child is not None
        assert child.pid != os.getpid()

    assert votes.matrix[:, 0].tolist() == [0, 0, 0]
    assert child.returncode is not None


def test_what_a_function_started_dies_with_it(load, classes, tmp_path):
    """A stopped function's own child processes are stopped too."""
    mark = tmp_path / "alive"
    h = load(
        f"""
        import subprocess, time
        @heuristic(label="ham", reads=["n"])
        def starts(row):
            subprocess.Popen(["sh", "-c", "sleep 2; touch {mark}"])
            time.sleep(60)
        """
    )
    with (
        Sandbox(Limits(seconds=0.5)) as sandbox,
        pytest.raises(HeuristicError, match=r"starts was stopped after 0\.5 s on 3 rows"),
    ):
        cast(FRAME, list(h.values()), classes, sandbox=sandbox)
    time.sleep(2.2)

    assert not mark.exists()


def test_the_time_of_the_child_is_counted(load, classes):
    """The worker that waits for it spends nothing; the ledger books what both spent."""
    h = load(
        "@heuristic(label='spam')\ndef counts(row):\n    return sum(range(1_000_000)) > row.n\n"
    )
    before = child_cpu()
    with Sandbox(Limits(seconds=60)) as sandbox:
        sandbox.call(FRAME, h["counts"], classes)

    assert child_cpu() - before > 0.005
