"""The record when the disk is full: what is published stays, and running again completes it."""

from __future__ import annotations

import errno
import os
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from labelpress.errors import StoreError, TrackingError
from labelpress.stages.record import keep_record, record_run
from labelpress.stages.train import train_model
from labelpress.tables.folders import LocalFolder
from labelpress.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(name="what_is_known")
def _what_is_known(project, cluster):
    """A printing that is published and not recorded yet."""
    printed = project.print(cluster)
    manifest = printed.gated.manifest
    trained = train_model(printed.run, manifest, printed.candidate.answers, cluster)
    return (printed.run, manifest), {
        "version": printed.version,
        "held": (),
        "trained": trained,
        "promotion": None,
        "asks": 0,
    }


@pytest.mark.parametrize("fits", [0, 1, 4, 7])
def test_a_store_that_fills_up_while_the_record_is_written(
    project, what_is_known, monkeypatch, fits
):
    """The error says so; afterwards the same record is written, and nothing is booked twice."""
    args, facts = what_is_known
    written = [0]
    write = LocalFolder._temporary

    def until_full(folder, target, data):
        if written[0] >= fits:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        written[0] += 1
        return write(folder, target, data)

    monkeypatch.setattr(LocalFolder, "_temporary", until_full)
    with pytest.raises(StoreError, match=r"is full .*Free space there and run again"):
        keep_record(*args, **facts)
    booked = project.store.ledger.read()
    monkeypatch.undo()

    keep_record(*args, **facts)

    assert project.published() == (facts["version"],)
    assert project.open().slot.action == "resume"
    assert project.store.ledger.read().equals(booked)


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of 4 MB, where we may."""
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(options, check=False, capture_output=True).returncode:
        pytest.skip("mounting a file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_under_mlflow(project, what_is_known, tmp_path):
    """The labels are published, the record waits in the store, and the next run sends it."""
    args, facts = what_is_known
    with _small_disk(tmp_path / "disk") as disk:
        tracking = Tracking(f"sqlite:///{disk}/mlflow.db", "reviews")
        ballast = disk / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass

        with pytest.raises(TrackingError, match="is published and its record is in the store"):
            record_run(*args, tracking, **facts)
        assert project.published() == (facts["version"],)
        assert project.open().slot.action == "resume"

        ballast.unlink()
        record_run(*args, tracking, **facts)
        assert project.open().slot.action == "nothing"
