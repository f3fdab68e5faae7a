"""`labelpress verify`: is a dossier what was written, and does the store still say the same?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labelpress.cli.opening import open_here
from labelpress.cluster import open_cluster
from labelpress.dossier.verifying import compare_with_store, read_dossier, verify
from labelpress.store import existing_store

if TYPE_CHECKING:
    from rich.console import Console


def show_verified(place: str, project: str, console: Console) -> bool:
    """Print what verifying found; return whether all is well."""
    files = read_dossier(place)
    verified = verify(files)
    faults = verified.faults
    if project and not faults:
        opened = open_here(project)
        with open_cluster(processes=False) as cluster:
            faults = compare_with_store(files, opened, existing_store(opened), cluster)
    for fault in faults:
        console.print(fault, markup=False, highlight=False, soft_wrap=True)
    told = "not as it was written" if verified.faults else "as it was written"
    compared = "; the store gives the same" if project and not faults else ""
    console.print(
        f"{place}: {verified.files} files, {told}{compared}. Digest {verified.digest}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return not faults
