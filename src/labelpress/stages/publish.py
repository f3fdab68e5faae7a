"""The publish stage: one commit makes a candidate the version that consumers read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from labelpress.tables.publication import LabelFile, Publication

if TYPE_CHECKING:
    from labelpress.manifest import Manifest
    from labelpress.runs import Run
    from labelpress.tables.publication import LabelVersion, RowIdType

PublicationKind = Literal["printing", "promotion"]


def publish_labels(
    run: Run, manifest: Manifest, kind: PublicationKind = "printing"
) -> LabelVersion:
    """
    Publish a candidate by one compare-and-swap commit.

    Raises `PublicationRefusedError` where another run was first or the base is no longer current.
    """
    table = run.store.labels
    table.create(_row_id_type(manifest))
    current = {file.part: file.path for file in table.files()}
    replaced = [entry for entry in manifest.entries if current.get(entry.part) != entry.path]
    names = {entry.part for entry in manifest.entries}
    publication = Publication(
        run=manifest.run,
        period=manifest.period,
        printing=manifest.printing,
        base_version=manifest.base_version,
        files=tuple(LabelFile(e.part, e.path, e.size, e.rows) for e in replaced),
        replaced_parts=tuple(entry.part for entry in replaced),
        gone_parts=tuple(sorted(set(current) - names)),
        meta={"project": manifest.project, "project_digest": manifest.project_digest},
        kind=kind,
    )
    return table.publish(publication)


def _row_id_type(manifest: Manifest) -> RowIdType:
    return "string" if manifest.id_type == "string" else "int64"
