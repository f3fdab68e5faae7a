"""
Recomputing what a run wrote down: its stages are gone through again, and nothing is written.

What is taken as given is what cannot follow from anything else in the store: votes, answers, what
was asked and decided, and the settings. All else is computed by the code that the run ran.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from labelpress.dossier.figures import (
    TOLERANCE,
    figures,
    figures_told,
    is_worded_alike,
    say_difference,
)
from labelpress.environment import describe_difference, environment
from labelpress.errors import LabelpressError
from labelpress.labels import Change, compare, count_labels, without
from labelpress.manifest import folder, read_answers, read_manifest
from labelpress.report import render_again
from labelpress.run_patterns import read_run_patterns
from labelpress.runs import reopen_run
from labelpress.stages.answers import answers_as_of
from labelpress.stages.audit import audit_labels
from labelpress.stages.counting import count_source
from labelpress.stages.fit import fit_labels
from labelpress.stages.gate import weigh
from labelpress.stages.label import PartToLabel, compare_labels, label_all, overriding_by
from labelpress.stages.plan import match_answers
from labelpress.stages.slicing import slicing_of
from labelpress.stages.vote import Voted, voting, watch_heuristics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl
    from numpy.typing import NDArray

    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.manifest import LabelEntry, Manifest
    from labelpress.project import Project
    from labelpress.runs import Run
    from labelpress.slices import Slicing
    from labelpress.store import Store
    from labelpress.tables.files import Files
    from labelpress.votes import Patterns


@dataclass(frozen=True, slots=True)
class Relabelled:
    """One partition, labelled once more."""

    entry: LabelEntry
    """With what its stored labels add up to, as far as the files are there."""
    faults: tuple[str, ...]


def recompute(project: Project, store: Store, version: int, cluster: Cluster) -> tuple[str, ...]:
    """
    Go through a version's run again, from votes and answers to the verdict; return what differs.

    Every row is labelled again, a partition at a time. Sentences, none where all is as the run
    wrote it down; what is gone from the store, and so cannot be computed, is said too.
    """
    manifest = read_manifest(store.files, store.labels.find(version).run)
    if manifest is None:
        return ("The manifest of the version is gone, so nothing can be computed anew.",)
    run = reopen_run(project, store, manifest)
    again, faults = manifest, []
    try:
        for stage, found in _stages_again(run, manifest, cluster):
            again = stage
            faults += found
    except LabelpressError as error:
        faults.append(f"Not all can be computed anew: {error}")
    told = {"manifest.json": figures_told(manifest)}, {"manifest.json": figures_told(again)}
    stated, computed = figures(manifest) | told[0], figures(again) | told[1]
    alike = is_worded_alike(manifest.environment)
    said = [
        say_difference(name, stated[name], computed[name], "computed anew", worded_alike=alike)
        for name in stated
    ]
    faults += [*filter(None, said), *(_report_again(store, manifest) if alike else ())]
    moved = describe_difference(manifest.environment, environment())
    if faults and moved:
        faults.append(f"The environment is another one: {moved}.")
    return tuple(faults)


def _stages_again(
    run: Run, manifest: Manifest, cluster: Cluster
) -> Iterator[tuple[Manifest, list[str]]]:
    """
    Yield the manifest stage by stage, with what else differs.

    Where a stage cannot be gone through, the error leaves what it would have computed as it was.
    """
    files = run.store.files
    relabelled = _label_again(run, manifest, cluster)
    entries = tuple(part.entry for part in relabelled.values())
    yield manifest, [fault for part in relabelled.values() for fault in part.faults]
    _check_evidence(run, manifest)
    frozen = answers_as_of(run, manifest.answers_version, manifest.asks_version)
    located = match_answers(run, frozen.rows, manifest.partitions, manifest.dropped, cluster)
    again = manifest.with_(
        entries=entries,
        annotators=tuple(annotator.to_json() for annotator in frozen.annotators),
        stale_answers=frozen.rows["row_id"].n_unique() - located.height,
    )
    alone = replace(run, base=None, base_manifest=None)
    fingerprints = voting(manifest.heuristics)
    votes = count_source(alone, manifest.partitions, manifest.cells, fingerprints, cluster)
    seconds = {one["name"]: one["seconds"] for one in manifest.statistics}
    again = watch_heuristics(run, again, votes, seconds, cluster)
    kept, counted = read_run_patterns(files, manifest), votes.patterns or votes.summary.sample
    same = kept is not None and _alike(kept, counted)
    yield again, [] if same else ["The vote counts that the run kept are not those of its votes."]
    fitted = fit_labels(run, Voted(again, votes, {}, 0.0, {}), located, cluster)
    same = fitted.answers.equals(read_answers(files, manifest.run))
    yield fitted.manifest, [] if same else ["answers.csv: the run used others than were given."]
    fitted = audit_labels(run, fitted, cluster)
    yield fitted.manifest, []
    _check_history(run, manifest)
    yield weigh(run, compare_labels(run, fitted, cluster), cluster)[0], []


def _check_evidence(run: Run, manifest: Manifest) -> None:
    """Raise `LabelpressError` where what the figures follow from is not there."""
    if not manifest.settings:
        raise LabelpressError(
            "an earlier labelpress printed the version, and did not keep the settings of its run."
        )
    if manifest.base_version is not None and run.base_manifest is None:
        raise LabelpressError(f"the manifest of label version {manifest.base_version} is gone.")
    if read_run_patterns(run.store.files, manifest) is None:
        raise LabelpressError(
            "what the run counted of the votes is gone, as where rows were erased since. What "
            "was measured with those rows stands as it was."
        )


def _check_history(run: Run, manifest: Manifest) -> None:
    """Raise `LabelpressError` where who had used what was restated is no longer known."""
    then = datetime.fromtimestamp(manifest.looked_at, UTC)
    earlier = [v for v in run.store.labels.versions() if v.version <= (manifest.base_version or 0)]
    gone = [v.version for v in earlier if v.removed is not None and v.removed > then]
    if manifest.restated and gone:
        raise LabelpressError(
            f"label version {gone[0]}, which may have used what was restated, was removed since; "
            "so the restatement and the verdict stand as they were."
        )


def _alike(one: Patterns, other: Patterns) -> bool:
    return np.array_equal(one.votes, other.votes) and np.array_equal(one.counts, other.counts)


def _label_again(run: Run, manifest: Manifest, cluster: Cluster) -> dict[str, Relabelled]:
    base = run.base_manifest
    published = {entry.part: entry.path for entry in base.entries} if base else {}
    overriding = overriding_by(read_answers(run.store.files, manifest.run))
    partitions = {partition.part: partition for partition in manifest.partitions}
    jobs = {
        entry.part: (
            PartToLabel(
                partition=partition,
                cells=manifest.cells[partition.digest],
                answers=overriding.get(partition.digest, {}),
                dropped=tuple(manifest.dropped.get(entry.part, ())),
                published=published.get(entry.part),
                key=entry.key,
            ),
            entry,
        )
        for entry in manifest.entries
        for partition in [partitions[entry.part]]
    }
    return cluster.map(
        relabel_partition,
        jobs,
        run.store.files,
        manifest.label_model,
        voting(manifest.heuristics),
        run.classes,
        manifest.period,
        slicing_of(run, manifest),
    )


def relabel_partition(
    where: tuple[PartToLabel, LabelEntry],
    files: Files,
    label_model: Mapping[str, object],
    fingerprints: tuple[str, ...],
    classes: Classes,
    period: str,
    slicing: Slicing | None,
) -> Relabelled:
    """Label a partition once more and compare that with its label file, on a worker."""
    job, entry = where
    named = f"the labels of partition {entry.part!r}"
    if not files.exists(f"labels/{entry.path}"):
        return Relabelled(entry, (f"Gone, since they were vacuumed: {named}.",))
    stored = files.read_parquet(f"labels/{entry.path}")
    before = None if job.published is None else f"labels/{job.published}"
    vacuumed = before is not None and not files.exists(before)
    published = files.read_parquet(before) if before is not None and not vacuumed else None
    again = label_all(job, published, files, label_model, fingerprints, classes, period)
    if not again["row_id"].equals(stored["row_id"]):
        return Relabelled(entry, (f"Of other rows than were read: {named}.",))
    faults = []
    if vacuumed:  # only what was published before knows the cohorts
        again = again.with_columns(stored["cohort"])
        faults.append(f"Gone, so what changed cannot be computed: {named} in the version before.")
    differs = [again[name].ne_missing(stored[name]) for name in ("label", "origin", "cohort")]
    changed = int(np.any(differs, axis=0).sum())
    gap = np.abs(_matrix(again, len(classes)) - _matrix(stored, len(classes))).max(initial=0.0)
    if changed or gap > TOLERANCE:
        faults.append(
            f"Computed anew from votes, answers and label model, {named} differ on {changed} of "
            f"{stored.height} rows (probabilities by {gap:.1e})."
        )
    slices = slicing.read(files, job.partition) if slicing else None
    if slices is not None and job.dropped:
        slices = without(slices, job.dropped)
    found = replace(
        entry,
        counts=count_labels(stored, classes, slices),
        change=entry.change if vacuumed else _change(published, stored),
    )
    noted, counted = (
        {"counts": asdict(e.counts), "change": asdict(e.change)} for e in (entry, found)
    )
    said = say_difference(f"Partition {entry.part!r}", noted, counted, "counted anew")
    return Relabelled(found, (*faults, said) if said else tuple(faults))


def _change(published: pl.DataFrame | None, stored: pl.DataFrame) -> Change:
    return Change(new=stored.height) if published is None else compare(published, stored)


def _matrix(frame: pl.DataFrame, classes: int) -> NDArray[np.float64]:
    return frame["probabilities"].explode(empty_as_null=False).to_numpy().reshape(-1, classes)


def _report_again(store: Store, manifest: Manifest) -> list[str]:
    """Write the report of a run again, where it has one."""
    place = f"{folder(manifest.run)}/report.html"
    if not store.files.exists(place):
        return []
    try:
        page = render_again(store, manifest.run)
    except LabelpressError as error:
        return [f"report.html cannot be written anew: {error}"]
    same = page.encode() == store.files.read_bytes(place)
    return [] if same else ["report.html: written anew it is another page."]
