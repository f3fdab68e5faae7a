"""Two label versions side by side: how much changed, and what share each cause has in it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import polars as pl

from labelpress.classes import Classes
from labelpress.diff.causes import Cause, Side
from labelpress.diff.refit_noise import RefitNoise, measure_refit_noise
from labelpress.diff.rows import Example, PartDiff, PartLabels, diff_moved, diff_part, unread
from labelpress.errors import LabelpressError
from labelpress.heuristics.edits import describe_edit
from labelpress.labels import Change
from labelpress.manifest import read_answers, read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labelpress.diff.rows import PartPair
    from labelpress.manifest import Manifest
    from labelpress.store import Store
    from labelpress.tables.files import Files

Item = TypeVar("Item")
Result = TypeVar("Result")


class OverParts(Protocol):
    """Calls a function for each partition, as `Cluster.map` does."""

    def __call__(
        self, function: Callable[..., Result], items: Mapping[str, Item], /, *shared: object
    ) -> dict[str, Result]:
        """Return the results of `function(item, *shared)` by name."""


def on_threads(
    function: Callable[..., Result], items: Mapping[str, Item], /, *shared: object
) -> dict[str, Result]:
    """Call a function for each item on as many threads as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda item: function(item, *shared), items.values())
        return dict(zip(items, found, strict=True))


@dataclass(frozen=True, slots=True)
class Share:
    """What one cause changed."""

    cause: Cause
    rows: int
    """Rows whose label changed by it."""
    churn: float
    """Over the rows in both versions."""
    of_churn: float
    """Over all rows whose label changed; these sum to one."""
    what: str
    """What happened to the heuristic, or how the label model came to be; empty where nothing is to
    be said."""
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """How the labels of one version differ from those of another, and why."""

    before: int | None
    """Label version; None for a candidate."""
    after: int | None
    common: int
    """Rows in both."""
    new: int
    gone: int
    shares: tuple[Share, ...]
    """The largest first; causes that changed nothing are left out."""
    noise: RefitNoise | None
    """None where the label model was not refitted, or nobody asked."""

    @property
    def changed(self) -> int:
        """Rows in both versions whose label differs; null is a value."""
        return sum(share.rows for share in self.shares)

    @property
    def churn(self) -> float | None:
        """Share of the common rows whose label differs; None where there are none."""
        return self.changed / self.common if self.common else None

    def to_json(self) -> dict[str, Any]:
        """Return the diff as plain JSON."""
        return asdict(self) | {"changed": self.changed, "churn": self.churn}


def diff_versions(store: Store, before: int, after: int, *, resamples: int = 5) -> Diff:
    """
    Compare two published versions and charge every changed label to one cause.

    `resamples` refits on resampled unchanged data show how much a refit moves by chance; 0 leaves
    that out. Raises `LabelpressError` where a version's manifest, labels or votes are gone.
    """
    found = [store.labels.find(version) for version in (before, after)]
    manifests = [read_manifest(store.files, version.run) for version in found]
    for version, manifest in zip(found, manifests, strict=True):
        if manifest is None:
            raise LabelpressError(
                f"the manifest of {version} is gone from the store, so what made its labels is not "
                "known and they cannot be compared with others."
            )
    old, new = (manifest for manifest in manifests if manifest is not None)
    return diff_manifests(
        store.files, old, new, versions=(before, after), resamples=resamples, over=on_threads
    )


def diff_manifests(
    files: Files,
    before: Manifest,
    after: Manifest,
    *,
    versions: tuple[int | None, int | None],
    over: OverParts,
    resamples: int = 0,
    answers_after: pl.DataFrame | None = None,
) -> Diff:
    """
    Compare the labels of two manifests; `answers_after` stands for those not yet written.

    Label files that both share are not read, nor are those in which the later version, made on top
    of the earlier one, changed no label; of others only the votes on changed rows count.
    """
    classes = Classes(max(before.classes, after.classes, key=len))
    sides = Side.of(before), Side.of(after)
    used = read_answers(files, after.run) if answers_after is None else answers_after
    olds = _parts(before, read_answers(files, before.run))
    news = _parts(after, used)
    pairs: dict[str, PartPair] = {
        part: (olds.get(part), news.get(part)) for part in sorted({*olds, *news})
    }
    shared = (files, *sides, classes)
    by_part = {part: found for part, pair in pairs.items() if (found := unread(pair)) is not None}
    if after.base_version is not None and after.base_version == versions[0]:
        by_part |= _unchanged(after)
    by_part |= over(
        diff_part, {part: pair for part, pair in pairs.items() if part not in by_part}, *shared
    )
    total = reduce(add, by_part.values(), PartDiff())
    if total.new and total.gone:
        apart = [pairs[part] for part, one in by_part.items() if one.new or one.gone]
        total += over(diff_moved, {"moved rows": apart}, *shared)["moved rows"]
    noise = None
    if resamples and before.label_model != after.label_model:
        noise = measure_refit_noise(files, before, resamples)
    return Diff(
        *versions,
        total.common,
        total.new,
        total.gone,
        _shares(total, before, after),
        noise,
    )


def _unchanged(manifest: Manifest) -> dict[str, PartDiff]:
    """Return the partitions in which labelling, which compared with its base, changed no label."""
    changes = {entry.part: entry.change for entry in manifest.entries}
    return {
        part: PartDiff(common=change.common)
        for part, change in changes.items()
        if change == Change(common=change.common)
    }


def _parts(manifest: Manifest, answers: pl.DataFrame) -> dict[str, PartLabels]:
    overriding: dict[str, dict[int, int]] = {}
    teaching = answers.filter(~pl.col("reserved")).select("partition", "position", "code")
    for digest, position, code in teaching.iter_rows():
        overriding.setdefault(digest, {})[position] = code
    paths = {entry.part: entry.path for entry in manifest.entries}
    return {
        one.part: PartLabels(
            one.part,
            paths[one.part],
            one.digest,
            one.rows,
            manifest.cells[one.digest],
            tuple(manifest.dropped.get(one.part, ())),
            overriding.get(one.digest, {}),
        )
        for one in manifest.partitions
    }


def _shares(total: PartDiff, before: Manifest, after: Manifest) -> tuple[Share, ...]:
    changed = sum(total.rows.values())
    largest = sorted(total.rows.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Share(
            cause,
            rows,
            rows / total.common,
            rows / changed,
            _what_happened(cause, before, after),
            total.examples[cause],
        )
        for cause, rows in largest
    )


def _what_happened(cause: Cause, before: Manifest, after: Manifest) -> str:
    """Say in words what changed, where the manifests tell."""
    if cause.kind == "refit":
        return after.refit
    if cause.kind != "heuristic":
        return ""
    old, new = (
        {note.name: note for note in manifest.heuristics}.get(cause.heuristic)
        for manifest in (before, after)
    )
    if old is None:
        return "added"
    if new is None:
        return "removed"
    if old.quarantined != new.quarantined:
        return f"quarantined: {new.quarantine_reason}" if new.quarantined else "back in use"
    return describe_edit(old.facts, new.facts) or "edited"
