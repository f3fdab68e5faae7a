"""Opening a project from the command line; Prefect is imported only where a block is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelpress.project import read_project

if TYPE_CHECKING:
    from labelpress.project import Project


def open_here(uri: str) -> Project:
    """Read a project, and ask Prefect for the blocks that it names, if it names any."""
    project = read_project(uri)
    if not project.names_blocks:
        return project
    from labelpress.blocks import fill_blocks  # noqa: PLC0415  Prefect takes two seconds to import

    return fill_blocks(project)
