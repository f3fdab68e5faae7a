"""What keeps a store: each deed in a process of its own that may be killed in its middle."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from labelpress.erasure.forgetting import forget_rows
from labelpress.maintenance.sweeping import maintain_store
from labelpress.project import read_project
from labelpress.retention import RetentionSettings
from labelpress.store import existing_store
from labelpress.upgrading import upgrade_store

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

    from labelpress.store import Store

ERASED = "planted-8814"
ONE = RetentionSettings(keep_days=1, keep_versions=1, orphan_days=1)
LATER = datetime.now(UTC) + timedelta(days=30)


def forget(store: Store) -> object:
    """Erase a row."""
    return forget_rows(store, [ERASED], who="kim", why="they asked")


def maintain(store: Store) -> object:
    """Keep the last version only, as if all were a month old."""
    return maintain_store(store, ONE, lambda _done, _all: None, LATER)


def upgrade(store: Store) -> object:
    """Bring it to today's form."""
    return asdict(upgrade_store(store))


DEEDS = {deed.__name__: deed for deed in (forget, maintain, upgrade)}


_CHANGES = {"os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir"}


def keep(name: str, project: Path, killed_at: int, told: Connection) -> None:
    """Do a deed and say how often it changed the disk; die just before that change, counted."""
    store = existing_store(read_project(str(project)))
    changes = 0

    def count(event: str, args: tuple[Any, ...]) -> None:
        nonlocal changes
        writes = (
            event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if event in _CHANGES or writes:
            changes += 1
            if changes == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    DEEDS[name](store)
    told.send(changes)
