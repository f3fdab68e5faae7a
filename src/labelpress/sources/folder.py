"""Reading a project's folder, wherever it is, as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelpress.errors import ProjectError
from labelpress.sources.listing import filesystem

if TYPE_CHECKING:
    from collections.abc import Callable


def read_folder(uri: str, wanted: Callable[[str], bool]) -> tuple[tuple[str, bytes], ...]:
    """
    Return path and content of each wanted file of a folder, in order of path.

    Raises `ProjectError` where there is no such folder.
    """
    system, root = filesystem(uri, {})
    if not system.isdir(root):
        raise ProjectError(
            f"there is no project folder {uri!r}. Give a folder that holds project.toml and "
            "heuristics.py."
        )
    root = root.rstrip("/")
    found = ((path.removeprefix(root).lstrip("/"), path) for path in sorted(system.find(root)))
    return tuple((relative, system.cat_file(path)) for relative, path in found if wanted(relative))


def absolute(uri: str, base: str) -> str:
    """Return a URI as it stands, or under `base` where it is a relative path."""
    if "://" in uri or uri.startswith("/"):
        return uri.rstrip("/") or uri
    return f"{base.rstrip('/')}/{uri.removeprefix('./')}".rstrip("/")
