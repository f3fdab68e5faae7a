"""The programs that some tests need beyond pip: where they are, and how to get them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

SOURCES = {
    "chromium": "apt-get install chromium",
    "faketime": "apt-get install faketime",
    "git": "apt-get install git",
    "label-studio": (
        "pip install label-studio==1.23.2 into an environment of its own, and name its command in "
        "LABEL_STUDIO"
    ),
    "openssl": "apt-get install openssl",
    "postgresql": "apt-get install postgresql",
}
"""How to get what a mark `system` names; the packages are Debian's."""


def find_program(system: str) -> Path | None:
    """Return the program that a test starts; None where it is not there."""
    if system == "label-studio":
        found = shutil.which(os.environ.get("LABEL_STUDIO") or system)
    elif system == "postgresql":
        # Debian keeps the server's programs away from the path.
        kept = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")))
        found = kept[-1] if kept else shutil.which("initdb")
    else:
        found = shutil.which(system)
    return Path(found) if found else None


def missing_programs() -> list[str]:
    """Return what is not there, each with the way to get it."""
    return [f"{system}: {source}" for system, source in SOURCES.items() if not find_program(system)]
