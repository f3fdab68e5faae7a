"""Databases behind an MLflow server: a file, or a PostgreSQL cluster of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.programs import find_program

if TYPE_CHECKING:
    from collections.abc import Iterator

BACK_ENDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.system("postgresql")))


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """Yield the address of an empty database for as long as the block lasts."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'mlflow.db'}"
        return
    with _postgresql() as address:
        yield address


@contextmanager
def _postgresql() -> Iterator[str]:
    """Make a cluster that listens on a socket in its folder only, and drop it at the end."""
    programs = find_program("postgresql").parent
    home = Path(subprocess.check_output(["mktemp", "--directory"], text=True).strip())
    user = _unprivileged(home)
    data, log = home / "data", home / "log"
    _run(user, programs / "initdb", "-D", data, "-U", "mlflow", "--auth=trust", "--no-sync")
    options = f"-k {home} -c listen_addresses='' -c fsync=off"
    _run(user, programs / "pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
    try:
        _run(user, programs / "createdb", "-h", home, "-U", "mlflow", "tracking")
        yield f"postgresql://mlflow@/tracking?host={home}"
    finally:
        _run(user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(home)


def _unprivileged(home: Path) -> tuple[str, ...]:
    """Return how to run as somebody else where we are root, whom PostgreSQL refuses."""
    if os.geteuid() != 0:
        return ()
    shutil.chown(home, "postgres")
    return ("runuser", "-u", "postgres", "--")


def _run(user: tuple[str, ...], *command: object) -> None:
    done = subprocess.run(
        [*user, *map(str, command)], capture_output=True, text=True, cwd="/", check=False
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
