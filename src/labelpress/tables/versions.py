"""Label versions and publications as values, and how a commit's metadata spells them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind = Literal["printing", "promotion", "restore", "erasure"]

_PREFIX = "labelpress."
_META = "labelpress.meta."
_REMOVED_VERSIONS = "labelpress.removed.versions"
_REMOVED_RUNS = "labelpress.removed.runs"
ERASING, ERASED = "labelpress.erasing", "labelpress.erased"
"""In the metadata of the commits between which a table's history is written anew."""


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A file of labels: a candidate's, or one of a published version."""

    part: str
    """The partition's identity."""
    path: str
    """Relative to the labels table. It names run and content, so it is never written twice."""
    size: int
    """Bytes."""
    rows: int


@dataclass(frozen=True, slots=True)
class Publication:
    """A candidate with the slot it is for, ready to be published."""

    run: str
    period: str
    printing: int
    """The n-th publication within the period, from 1."""
    base_version: int | None
    """The label version the candidate was compared with; None for the first printing."""
    files: tuple[LabelFile, ...]
    """The files of the replaced partitions; the other partitions keep theirs."""
    replaced_parts: tuple[str, ...] | None = None
    """Partitions that are new or relabelled, each with a file; None: those of the files."""
    gone_parts: tuple[str, ...] = ()
    """Partitions of the base version that the source no longer has."""
    meta: Mapping[str, str] = field(default_factory=dict)
    """Whatever else the commit is to remember."""
    kind: Literal["printing", "promotion"] = "printing"
    """`promotion`: a person published a held candidate."""

    @property
    def replaced(self) -> frozenset[str]:
        """The partitions whose files this publication replaces."""
        if self.replaced_parts is None:
            return frozenset(file.part for file in self.files)
        return frozenset(self.replaced_parts)


@dataclass(frozen=True, slots=True)
class LabelVersion:
    """A publication as the labels table remembers it."""

    version: int
    """The Delta version; what consumers give to read these labels again."""
    run: str
    period: str
    printing: int
    kind: Kind
    """A `restore` has run, period and printing of the version whose labels it brought back."""
    timestamp: datetime
    """When it was committed, UTC."""
    meta: Mapping[str, str]
    """As given; a restore has `restored`, `who` and `reason`."""
    removed: datetime | None = None
    """When maintenance took its files away; None while it can be read."""

    @property
    def printed(self) -> bool:
        """Whether a run made it, and not a rollback or an erasure from what runs had made."""
        return self.kind in {"printing", "promotion"}

    def __str__(self) -> str:
        return (
            f"label version {self.version} (period {self.period}, printing {self.printing}, "
            f"{self.kind} by run {self.run})"
        )


def commit_metadata(
    version: int,
    *,
    kind: Kind,
    run: str,
    period: str,
    printing: int,
    meta: Mapping[str, str],
) -> dict[str, str]:
    """
    Return what marks a Delta commit as a publication; flat texts, as every reader shows them.

    `version` is the Delta version that the commit becomes or else fails. It is written down
    because the history does not hold it: deltalake counts back from the version it loaded, and
    is wrong by as many commits as landed since.
    """
    facts = {
        "version": str(version),
        "kind": kind,
        "run": run,
        "period": period,
        "printing": str(printing),
    }
    return {_PREFIX + key: value for key, value in facts.items()} | {
        _META + key: str(value) for key, value in meta.items()
    }


def publications(history: Iterable[Mapping[str, Any]]) -> tuple[LabelVersion, ...]:
    """
    Return the publications among the commits of a table, oldest first; others are left out.

    Those that maintenance removed are among them, since their slots stay taken.
    """
    commits = tuple(history)
    removed = {
        int(version): _moment(commit)
        for commit in commits
        for version in _listed(commit, _REMOVED_VERSIONS)
    }
    found = [_label_version(commit, removed) for commit in commits if f"{_PREFIX}kind" in commit]
    return tuple(sorted(found, key=lambda version: version.version))


def removed_runs(history: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the runs whose unpublished files maintenance took away."""
    return frozenset(run for commit in history for run in _listed(commit, _REMOVED_RUNS))


def removal_metadata(versions: Iterable[int], runs: Iterable[str]) -> dict[str, str]:
    """Return what a commit remembers before maintenance deletes the files of versions and runs."""
    return {
        _REMOVED_VERSIONS: ",".join(map(str, sorted(versions))),
        _REMOVED_RUNS: ",".join(sorted(runs)),
    }


def erasing(history: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the id of an erasure that has begun and not ended in a table, newest commit first."""
    for commit in history:
        if ERASED in commit or commit.get(f"{_PREFIX}kind") == "erasure":
            return None
        if ERASING in commit:
            return str(commit[ERASING])
    return None


def _listed(commit: Mapping[str, Any], key: str) -> list[str]:
    return [item for item in str(commit.get(key, "")).split(",") if item]


def _moment(commit: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(commit["timestamp"] / 1000, UTC)


def _label_version(commit: Mapping[str, Any], removed: Mapping[int, datetime]) -> LabelVersion:
    version = int(commit[f"{_PREFIX}version"])
    return LabelVersion(
        version=version,
        run=commit[f"{_PREFIX}run"],
        period=commit[f"{_PREFIX}period"],
        printing=int(commit[f"{_PREFIX}printing"]),
        kind=commit[f"{_PREFIX}kind"],
        timestamp=_moment(commit),
        meta={
            key.removeprefix(_META): value for key, value in commit.items() if key.startswith(_META)
        },
        removed=removed.get(version),
    )
