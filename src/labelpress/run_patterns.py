"""The vote patterns of a whole version, as its run counted and kept them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelpress.classes import Classes
from labelpress.manifest import folder
from labelpress.vote_files import read_patterns

if TYPE_CHECKING:
    from labelpress.manifest import Manifest
    from labelpress.tables.files import Files
    from labelpress.votes import Patterns


def read_run_patterns(files: Files, manifest: Manifest) -> Patterns | None:
    """
    Return the distinct vote patterns of a version, in which quarantined heuristics abstain.

    Where there were too many to keep, those of a sample of its rows; None where both are gone.
    """
    for name in ("patterns", "sample"):
        path = f"{folder(manifest.run)}/{name}.parquet"
        if files.exists(path):
            return read_patterns(files, path, Classes(manifest.classes))
    return None
