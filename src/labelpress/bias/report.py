"""
What the labels of each slice are like, and which heuristic brings wrong labels into which slice.

A gap between slices is no bias by itself: newcomers do ask more questions. So gaps are ranked by
the wrong labels that a heuristic brings in: the rows that have their label only by it, times the
share of its votes there that are wrong, less the same elsewhere.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from labelpress.bias.association import association_gaps
from labelpress.bias.slice_counts import EVERYWHERE, SliceCounts, count_part
from labelpress.calibration import measure_calibration
from labelpress.certify import Certificate
from labelpress.classes import Classes
from labelpress.diff.versions import on_threads
from labelpress.errors import LabelpressError
from labelpress.label_models import load
from labelpress.manifest import read_answers, read_manifest
from labelpress.slices import MOST_VALUES, SlicesSettings, Slicing, attribute_of, members
from labelpress.sources.columns import agree
from labelpress.stages.vote import voting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from labelpress.label_models import LabelModel
    from labelpress.manifest import Manifest
    from labelpress.sources.settings import SourceSettings
    from labelpress.store import Store

FEWEST_ROWS = 50
"""A slice with fewer labelled rows says nothing about shares."""
FEWEST_AUDITS = 10
"""One with fewer audits says nothing about accuracy."""
_WORTH = 10.0
"""So many audits does the opinion of the other heuristics count for."""


@dataclass(frozen=True, slots=True)
class SliceFacts:
    """What the labels of one slice are like."""

    name: str
    rows: int
    labelled: int
    shares: Mapping[str, float]
    """Of each class among the labelled rows."""
    association: Mapping[str, float]
    """Normalised pointwise mutual information of class and slice."""
    association_gap: Mapping[str, float]
    """That, less the same for all other rows."""
    accuracy: Certificate | None
    """None where no audit was asked."""
    calibration_error: float | None
    calibration_by_chance: float | None
    """What perfect probabilities would show on so few audits."""
    audits: int
    insufficient: str
    """Why nothing, or not everything, can be said of it; empty where it can."""

    @property
    def coverage(self) -> float:
        """Share of its rows with a label."""
        return self.labelled / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class Gap:
    """How a heuristic makes the labels of a slice differ from those elsewhere."""

    slice: str
    label: str
    share: float
    """Of the label among the labelled rows of the slice."""
    elsewhere: float
    heuristic: str
    share_without: float
    """The same when the heuristic abstains."""
    elsewhere_without: float
    turned: int
    """Rows of the slice that have the label only by the heuristic."""
    right: float
    """Estimated share of these that are right, by audits and by what the other heuristics say."""
    right_elsewhere: float
    audits: int
    """On which the heuristic votes in the slice."""
    harm: float
    """Wrong labels it brings in, per labelled row of the slice, beyond elsewhere."""

    @property
    def gap(self) -> float:
        """How much more usual the label is in the slice."""
        return self.share - self.elsewhere

    @property
    def gap_without(self) -> float:
        """The same when the heuristic abstains."""
        return self.share_without - self.elsewhere_without

    def sentence(self) -> str:
        """Say it in words."""
        return (
            f"{self.label!r} is {self.share:.1%} of the labels in {self.slice}, "
            f"{self.elsewhere:.1%} elsewhere; without {self.heuristic} {self.share_without:.1%} "
            f"and {self.elsewhere_without:.1%}. {self.turned:,} rows there have it only by "
            f"{self.heuristic}; an estimated {self.right:.0%} of them are right "
            f"({self.right_elsewhere:.0%} elsewhere; {self.audits} audits in the slice)."
        )


@dataclass(frozen=True, slots=True)
class Bias:
    """The slices of a label version."""

    version: int | None
    slices: tuple[SliceFacts, ...]
    gaps: tuple[Gap, ...]
    """One per slice and heuristic that does harm there, the worst first."""
    crowded: tuple[str, ...]
    """Attributes with too many values to be slices."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        more = [
            {"gap": gap.gap, "gap_without": gap.gap_without, "sentence": gap.sentence()}
            for gap in self.gaps
        ]
        plain = asdict(self)
        plain["gaps"] = [one | two for one, two in zip(plain["gaps"], more, strict=True)]
        return plain


def find_bias(
    store: Store,
    version: int | None = None,
    *,
    declared: SlicesSettings | None = None,
    source: SourceSettings | None = None,
) -> Bias:
    """
    Look at the slices of a published version, the current one where none is named.

    The slices are those that the version's project declared, or `declared`; for slices that were
    not decided in a run the source is read again, as `source` says. Raises `LabelpressError` where
    no slices are declared, where the source has not their columns, and where the manifest is gone.
    """
    found = store.labels.find(version)
    manifest = read_manifest(store.files, found.run)
    if manifest is None:
        raise LabelpressError(f"the manifest of {found} is gone from the store: no slices to see.")
    settings = declared or SlicesSettings(**(manifest.slices or {}))
    if not settings.names:
        raise LabelpressError(
            f"no slices are declared for {found}. Name columns in project.toml: [slices] "
            'attributes = ["region"].'
        )
    types = dict(manifest.types)
    unread = sorted(settings.columns - types.keys())
    if unread and source is None:
        raise LabelpressError(
            f"{found} did not read column {unread[0]!r}: say where the source is."
        )
    if source is not None:
        types |= agree(unread, manifest.schemas, source)
    slicing = Slicing(settings, types, source.storage_options if source else {})
    counts, crowded = _count(store, manifest, slicing)
    audits = _Audited.of(store, manifest, slicing)
    names = [name for name in counts if name != EVERYWHERE]
    certificates = manifest.certificates.get("slices", {})
    facts = tuple(_facts(name, counts, manifest, audits, certificates.get(name)) for name in names)
    enough = {one.name for one in facts if one.labelled >= FEWEST_ROWS}
    gaps = [
        gap for name in names if name in enough for gap in _gaps(name, counts, manifest, audits)
    ]
    ranked = sorted(gaps, key=lambda gap: (-gap.harm, gap.slice, gap.heuristic))
    return Bias(found.version, facts, tuple(ranked), crowded)


def _count(
    store: Store, manifest: Manifest, slicing: Slicing
) -> tuple[dict[str, SliceCounts], tuple[str, ...]]:
    jobs = {
        p.part: (p, manifest.cells[p.digest], tuple(manifest.dropped.get(p.part, ())))
        for p in manifest.partitions
    }
    found = on_threads(
        count_part,
        jobs,
        store.files,
        voting(manifest.heuristics),
        Classes(manifest.classes),
        manifest.label_model,
        slicing,
    ).values()
    crowded = {name for _, names in found for name in names}
    by_name: dict[str, list[SliceCounts]] = {}
    for counts, _ in found:
        for name, one in counts.items():
            by_name.setdefault(name, []).append(one)
    values: dict[str, int] = {}
    for name in by_name:
        values[attribute_of(name)] = values.get(attribute_of(name), 0) + 1
    crowded |= {name for name, count in values.items() if name and count > MOST_VALUES}
    kept = sorted(name for name in by_name if attribute_of(name) not in crowded)
    return {name: reduce(add, by_name[name]) for name in kept}, tuple(sorted(crowded))


@dataclass(frozen=True, slots=True)
class _Audited:
    """The answered audits of a version."""

    votes: NDArray[np.signedinteger]
    answers: NDArray[np.int64]
    reserved: NDArray[np.bool_]
    """Those that did not teach the label model."""
    model: LabelModel
    slices: Mapping[str, NDArray[np.bool_]]

    @staticmethod
    def of(store: Store, manifest: Manifest, slicing: Slicing) -> _Audited:
        answers = read_answers(store.files, manifest.run).filter(pl.col("stratum") == "audit")
        partitions = {partition.digest: partition for partition in manifest.partitions}
        rows, sorted_ = [answers.head(0)], []
        for (digest,), here in answers.group_by("partition", maintain_order=True):
            if digest in partitions:
                rows.append(here)
                found = slicing.read(store.files, partitions[str(digest)])
                sorted_.append(found[here["position"].to_numpy()])
        kept = pl.concat(rows)
        masks = {n: m.to_numpy() for n, m in members(pl.concat(sorted_))} if sorted_ else {}
        votes = np.array(kept["votes"].to_list(), dtype=Classes(manifest.classes).dtype)
        return _Audited(
            votes.reshape(kept.height, len(manifest.heuristics)),
            kept["code"].to_numpy(),
            kept["reserved"].to_numpy(),
            load(manifest.label_model),
            masks,
        )

    def inside(self, name: str) -> NDArray[np.bool_]:
        """Return which audits belong to a slice."""
        return self.slices.get(name, np.zeros(len(self.answers), dtype=np.bool_))

    def judge(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return confidence and correctness of the labels of a slice, by its reserved audits."""
        mine = self.inside(name) & self.reserved & (self.votes != -1).any(axis=1)
        said = self.model.predict_proba(self.votes[mine])
        return said.max(axis=1), np.equal(said.argmax(axis=1), self.answers[mine])

    def precision(self, heuristic: int, label: int, rows: NDArray[np.bool_]) -> tuple[int, int]:
        """Return on how many audits a heuristic votes for a class, and how many of these are it."""
        votes = rows & (self.votes[:, heuristic] == label)
        return int(votes.sum()), int((self.answers[votes] == label).sum())


def _facts(
    name: str,
    counts: Mapping[str, SliceCounts],
    manifest: Manifest,
    audits: _Audited,
    certificate: Mapping[str, Any] | None,
) -> SliceFacts:
    mine, rest = counts[name], counts[EVERYWHERE] - counts[name]
    confidence, correct = audits.judge(name)
    calibration = measure_calibration(confidence, correct, reserved=True)
    gaps = association_gaps(mine.labels.tolist(), rest.labels.tolist())
    return SliceFacts(
        name=name,
        rows=int(mine.rows),
        labelled=mine.labelled,
        shares=dict(zip(manifest.classes, _shares(mine.labels), strict=True)),
        association=dict(zip(manifest.classes, (one for one, _ in gaps), strict=True)),
        association_gap=dict(zip(manifest.classes, (gap for _, gap in gaps), strict=True)),
        accuracy=Certificate.from_json(certificate) if certificate else None,
        calibration_error=calibration.error,
        calibration_by_chance=calibration.by_chance,
        audits=len(correct),
        insufficient=_insufficient(mine, len(correct)),
    )


def _insufficient(counts: SliceCounts, audits: int) -> str:
    rows, labelled = int(counts.rows), counts.labelled
    if labelled < FEWEST_ROWS:
        return (
            f"{labelled} labelled rows of {rows} are too few to say anything; "
            f"{FEWEST_ROWS} are needed"
        )
    if audits < FEWEST_AUDITS:
        return f"{audits} audits are too few to tell its accuracy; {FEWEST_AUDITS} are needed"
    return ""


def _gaps(
    name: str, counts: Mapping[str, SliceCounts], manifest: Manifest, audits: _Audited
) -> list[Gap]:
    """Return a gap for each heuristic that brings more wrong labels into a slice than elsewhere."""
    mine, rest = counts[name], counts[EVERYWHERE] - counts[name]
    inside = audits.inside(name)
    precision = {one["heuristic"]: one["precision"] or 0.5 for one in manifest.lifts}
    found = []
    for heuristic, note in enumerate(manifest.heuristics):
        best: Gap | None = None
        for label in np.flatnonzero(mine.turned[heuristic]).tolist():
            asked, agreed = audits.precision(heuristic, label, inside)
            asked_rest, agreed_rest = audits.precision(heuristic, label, ~inside)
            usual = (agreed + agreed_rest + _WORTH * precision.get(note.name, 0.5)) / (
                asked + asked_rest + _WORTH
            )
            right = _right(mine, heuristic, label, asked, agreed, usual)
            right_rest = _right(rest, heuristic, label, asked_rest, agreed_rest, usual)
            harm = mine.turned[heuristic, label] * (1 - right) / max(mine.labelled, 1)
            harm -= rest.turned[heuristic, label] * (1 - right_rest) / max(rest.labelled, 1)
            if best is None or harm > best.harm:
                best = Gap(
                    slice=name,
                    label=manifest.classes[label],
                    share=float(_shares(mine.labels)[label]),
                    elsewhere=float(_shares(rest.labels)[label]),
                    heuristic=note.name,
                    share_without=float(_shares(mine.without[heuristic])[label]),
                    elsewhere_without=float(_shares(rest.without[heuristic])[label]),
                    turned=int(mine.turned[heuristic, label]),
                    right=right,
                    right_elsewhere=right_rest,
                    audits=asked,
                    harm=float(harm),
                )
        if best is not None and best.harm > 0:
            found.append(best)
    return found


def _right(
    counts: SliceCounts, heuristic: int, label: int, asked: int, agreed: int, usual: float
) -> float:
    """
    Return the share of right votes: audits, shrunk towards what else is known.

    That is what the other heuristics believe and, where none of them votes, how often the heuristic
    is right everywhere.
    """
    turned = int(counts.turned[heuristic, label])
    known = float(counts.support[heuristic, label]) + usual * int(counts.alone[heuristic, label])
    believed = known / turned if turned else usual
    return (agreed + _WORTH * believed) / (asked + _WORTH)


def _shares(labels: NDArray[np.int64]) -> list[float]:
    total = max(int(labels.sum()), 1)
    return [float(count) / total for count in labels]
