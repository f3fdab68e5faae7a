"""Audit: put everything about one label version into one folder or zip, for somebody outside."""

from __future__ import annotations

from typing import Annotated, Literal

from prefect import flow
from pydantic import Field

from labelpress.blocks import open_project
from labelpress.dossier.contents import make_dossier
from labelpress.dossier.verifying import verify, write_dossier
from labelpress.store import Store

Version = Annotated[int, Field(ge=0)]


@flow(name="audit", log_prints=True)
def audit(
    project: str,
    version: Version = 0,
    out: str = "",
    annotators: Literal["named", "pseudonyms"] = "named",
) -> str:
    """
    Write the dossier of a label version and return where it is.

    Args:
        project: Folder of the project, or any fsspec URI.
        version: The label version; 0 means the current one.
        out: Folder to write, or a file that ends in .zip; empty means dossiers/vN.zip in the store.
        annotators: named, or pseudonyms to number them; a report that names them is then left out.

    """
    opened = open_project(project)
    options = dict(opened.settings.store.storage_options)
    store = Store(opened.store_uri, options)
    found = store.labels.find(version or None)
    files = make_dossier(store, found.version, pseudonyms=annotators == "pseudonyms")
    place = out or store.files.join(f"dossiers/v{found.version}.zip")
    write_dossier(files, place, options)
    verified = verify(files)
    print(f"{place}: dossier of {found}, digest {verified.digest}")  # noqa: T201  # Prefect logs it
    return place


if __name__ == "__main__":
    import sys

    audit(sys.argv[1])
