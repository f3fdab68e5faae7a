"""The rules of publishing: what must hold before a candidate becomes a label version. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelpress.errors import PublicationRefusedError
from labelpress.tables.label_files import part_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.tables.versions import LabelFile, LabelVersion, Publication


@dataclass(frozen=True, slots=True)
class TableState:
    """What the labels table says at one Delta version."""

    version: int
    """The Delta version, which maintenance moves too."""
    versions: tuple[LabelVersion, ...]
    """All publications, oldest first."""
    files: tuple[LabelFile, ...]
    """The files at this Delta version."""
    labels_transaction: int | None
    """The Delta version of the last publication, as the table itself remembers it."""
    period_transaction: int | None
    """The last printing of the period in question; None where it was never printed."""
    untouched: bool
    """Whether the files are those of the last publication."""
    removed_runs: frozenset[str] = frozenset()
    """Runs whose unpublished files maintenance takes away, or has."""
    erasing: str | None = None
    """The erasure that is under way."""

    @property
    def current(self) -> LabelVersion | None:
        """The last publication."""
        return self.versions[-1] if self.versions else None


def already_published(publication: Publication, state: TableState) -> LabelVersion | None:
    """Return the version that this very run published in this slot, before it crashed."""
    slot = (publication.run, publication.period, publication.printing)
    for version in state.versions:
        if version.printed and slot == (version.run, version.period, version.printing):
            return version
    return None


def check_slot(publication: Publication, state: TableState) -> None:
    """Refuse a publication whose slot is taken or past, or whose base is not the current one."""
    printed = [version for version in state.versions if version.printed]
    latest = printed[-1] if printed else None
    what = f"Run {publication.run} may not publish period {publication.period}"
    if latest is not None and publication.period < latest.period:
        raise PublicationRefusedError(
            f"{what}: {latest} was found, and only the latest published period can be reprinted. "
            "To go back to earlier labels use the rollback flow."
        )
    last = state.period_transaction or 0
    if publication.printing <= last:
        holder = [v for v in printed if v.period == publication.period]
        raise PublicationRefusedError(
            f"{what}, printing {publication.printing}: {holder[-1] if holder else last} was found, "
            "so that printing exists. Run again: a scheduled run takes up what is unfinished, a "
            "reprint gets the next printing."
        )
    if publication.printing != last + 1:
        raise PublicationRefusedError(
            f"{what}, printing {publication.printing}: the last printing of that period is "
            f"{last or 'none'}, so the next is {last + 1}. Run again."
        )
    found = state.current.version if state.current else None
    if publication.base_version != found:
        raise PublicationRefusedError(
            f"{what}: {state.current or 'no label version'} was found, but the candidate was "
            f"compared with {_named(publication.base_version)}. Run again, so that it is compared "
            "with what consumers read now."
        )


def check_table(state: TableState, publishing: str) -> None:
    """Refuse to build on a table that something other than labelpress has written to."""
    found = state.current.version if state.current else None
    if state.untouched and state.labels_transaction == found:
        return
    raise PublicationRefusedError(
        f"{publishing}: the labels table at Delta version {state.version} does not hold the files "
        f"of {state.current or 'no publication'}, so something other than labelpress wrote to it. "
        f"Roll back to {_named(found)} first."
    )


def check_not_erasing(state: TableState) -> None:
    """Refuse to change labels while rows are being erased: the history is being written anew."""
    if state.erasing is not None:
        raise PublicationRefusedError(
            f"Rows are being erased from this store (erasure {state.erasing}), so its labels "
            "cannot change now. Run again when `labelpress forget` has ended; if it was killed, "
            "run it again with the same list first."
        )


def check_not_removed(publication: Publication, state: TableState) -> None:
    """Refuse a candidate that maintenance found to be left over, also while its files are there."""
    if publication.run in state.removed_runs:
        _refuse(publication, "maintenance has removed its files, since nothing could publish them")


def check_parts(publication: Publication, state: TableState) -> None:
    """Refuse partitions that would make a wrong version; Delta's own filter checks none of it."""
    replaced, gone = publication.replaced, set(publication.gone_parts)
    present = {file.part for file in state.files}
    for file in publication.files:
        if file.part not in replaced:
            _refuse(publication, f"file {file.path} lies in {file.part!r}, which is not replaced")
        if not file.path.startswith(f"{part_folder(file.part)}/"):
            _refuse(publication, f"file {file.path} is not in the folder of {file.part!r}")
    for part in sorted(replaced - {file.part for file in publication.files}):
        _refuse(publication, f"partition {part!r} is to be replaced but has no file")
    for part in sorted(gone & replaced):
        _refuse(publication, f"partition {part!r} is both replaced and gone")
    for part in sorted(gone - present):
        _refuse(publication, f"partition {part!r} is to go, but the base version has none such")


def check_files(
    publication: Publication, state: TableState, sizes: Mapping[str, int | None]
) -> None:
    """
    Refuse files that would make a wrong version; a Delta commit accepts them all.

    `sizes` are the bytes found by path, None for a file that does not exist.
    """
    taken = {file.path for file in state.files}
    times = Counter(file.path for file in publication.files)
    for file in publication.files:
        found = sizes[file.path]
        if found is None:
            _refuse(publication, f"file {file.path} does not exist")
        if found != file.size:
            _refuse(publication, f"file {file.path} has {found} bytes, not {file.size}")
        if file.path in taken:
            _refuse(publication, f"file {file.path} is published already")
        if times[file.path] > 1:
            _refuse(publication, f"file {file.path} is named twice")


def check_restore(state: TableState, target: int, base_version: int | None) -> LabelVersion | None:
    """
    Return the version to restore, or None where its labels are the current ones already.

    `base_version` is the current version that the person saw; None to take what is found.
    """
    known = {version.version: version for version in state.versions}
    if target not in known:
        raise PublicationRefusedError(
            f"Delta version {target} is not a label version; the last ones are "
            f"{', '.join(map(str, sorted(known)[-5:])) or 'none'}."
        )
    current = state.versions[-1]
    again = current.kind == "restore" and current.meta.get("restored") == str(target)
    if state.untouched and (again or current.version == target):
        return None
    if known[target].removed is not None:
        raise PublicationRefusedError(
            f"{known[target]} cannot be restored: maintenance removed it on "
            f"{known[target].removed:%Y-%m-%d}, as [retention] in project.toml says."
        )
    if base_version is not None and base_version != current.version:
        raise PublicationRefusedError(
            f"Version {target} is not restored: {current} was found, but the decision was made "
            f"on {_named(base_version)}. Look at the newer version and decide again."
        )
    return known[target]


def _refuse(publication: Publication, reason: str) -> None:
    raise PublicationRefusedError(
        f"Run {publication.run} may not publish period {publication.period}, printing "
        f"{publication.printing}: {reason}. Nothing was published; run again."
    )


def _named(version: int | None) -> str:
    return "no label version" if version is None else f"label version {version}"
