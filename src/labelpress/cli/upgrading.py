"""`labelpress upgrade`: bring an older store to today's form, and say what that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelpress.cli.opening import open_here
from labelpress.store import existing_store
from labelpress.upgrading import upgrade_store

if TYPE_CHECKING:
    from rich.console import Console


def upgrade_project(folder: str, console: Console) -> None:
    """Upgrade the store of a project and print what changed."""
    project = open_here(folder)
    store = existing_store(project)
    done = upgrade_store(store)
    if not (done.manifests or done.columns or done.format_raised):
        console.print(f"{store.uri} is up to date.", markup=False, highlight=False, soft_wrap=True)
        return
    console.print(
        f"Upgraded {store.uri}: {len(done.manifests)} manifests written anew; columns added: "
        f"{', '.join(done.columns) or 'none'}; format {store.identity().format}.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
