"""Count the votes of a source on the workers; the patterns stay there where they are many."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import reduce
from math import ceil, log2
from operator import add, sub
from typing import TYPE_CHECKING, Any

import numpy as np

from labelpress.label_models.everywhere import SAMPLE, Everywhere, InMemory
from labelpress.manifest import folder
from labelpress.stages.worker_votes import OnWorkers, grouped, patterns_of
from labelpress.vote_counts import VoteCounts, count_votes
from labelpress.vote_files import (
    Cell,
    read_patterns,
    write_patterns,
)
from labelpress.votes import Patterns, draw_patterns, merge_patterns, renew_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.manifest import Manifest
    from labelpress.partitions import Partition
    from labelpress.runs import Run
    from labelpress.stages.worker_votes import Where
    from labelpress.tables.files import Files
    from labelpress.vote_files import Cell


@dataclass(frozen=True, slots=True)
class Summary:
    """What a few partitions, or all, tell of their votes; those of several add up."""

    patterns: int
    """Distinct patterns, counted by partition: never fewer than there are."""
    counts: VoteCounts
    sample: Patterns
    """A share of the rows."""

    def __add__(self, other: Summary) -> Summary:
        return Summary(
            self.patterns + other.patterns,
            self.counts + other.counts,
            merge_patterns([self.sample, other.sample]),
        )

    def __sub__(self, gone: Summary) -> Summary:
        return Summary(
            self.patterns - gone.patterns,
            self.counts - gone.counts,
            renew_patterns(self.sample, [], [gone.sample]),
        )


@dataclass(frozen=True, slots=True)
class Counted:
    """What a worker tells of a few partitions."""

    summary: Summary
    patterns: Patterns | None
    """Their patterns, where they are few enough to travel with the summary."""


@dataclass(frozen=True, slots=True)
class SourceVotes:
    """The votes of the whole source as the flow's process knows them."""

    summary: Summary
    patterns: Patterns | None
    """All distinct patterns; None where there are more than the flow's process may hold."""

    @property
    def rows(self) -> int:
        """Rows of the source, dropped ones included."""
        return int(self.summary.counts.rows[0])

    @property
    def learnt_from(self) -> Patterns:
        """What estimators learn from: all patterns where they are few, else a sample of rows."""
        few = self.patterns is not None and len(self.patterns.counts) <= SAMPLE
        return self.patterns if self.patterns is not None and few else self.summary.sample

    def everywhere(
        self, run: Run, manifest: Manifest, fingerprints: tuple[str, ...], cluster: Cluster
    ) -> Everywhere[Patterns] | None:
        """Return all the votes to sum over; None where `learnt_from` is all of them."""
        if self.learnt_from is self.patterns:
            return None
        if self.patterns is not None:
            return InMemory.of(self.patterns)
        found = {p.part: (p.digest, p.rows, manifest.cells[p.digest]) for p in manifest.partitions}
        groups = grouped(found, len(fingerprints), len(run.classes))
        return OnWorkers(self.rows, cluster, groups, (run.store.files, fingerprints, run.classes))


def count_source(
    run: Run,
    partitions: Sequence[Partition],
    cells: Mapping[str, Mapping[str, Cell]],
    fingerprints: tuple[str, ...],
    cluster: Cluster,
) -> SourceVotes:
    """
    Count the votes of the whole source: only what came and went, where the base's still count.

    Patterns are fetched in batches of at most `[label_model] max_patterns` and merged; once there
    are more they are let go, and what needs them is summed by the workers.
    """
    base = run.base_manifest
    share = _share(sum(partition.rows for partition in partitions))
    before = _fingerprints_before(run)
    count = _Count(run, cluster, fingerprints, before, share)
    now = {p.part: (p.digest, p.rows, cells[p.digest]) for p in partitions}
    if base is not None and before != fingerprints:
        now = {part: _with_before(where, base.cells) for part, where in now.items()}
    earlier = _read(run, fingerprints, share)
    then: dict[str, Where] = {}
    if earlier is not None and base is not None:
        then = {p.part: (p.digest, p.rows, base.cells[p.digest]) for p in base.partitions}
    else:
        earlier = SourceVotes(count.nothing, count.nothing.sample)
    new = {part: where for part, where in now.items() if then.get(part) != where}
    gone = {part: where for part, where in then.items() if now.get(part) != where}
    added, taken = count.summarize(new), count.summarize(gone)
    summary = reduce(add, (part.summary for part in added.values()), earlier.summary)
    summary = reduce(sub, (part.summary for part in taken.values()), summary)
    patterns = earlier.patterns
    if patterns is not None:
        lost = count.merge(count.nothing.sample, gone, taken)
        left = None if lost is None else renew_patterns(patterns, [], [lost])
        patterns = None if left is None else count.merge(left, new, added)
    elif summary.patterns <= count.most:
        patterns = count.merge(count.nothing.sample, now, {})
    return SourceVotes(summary, patterns)


def keep_counts(run: Run, votes: SourceVotes, fingerprints: tuple[str, ...]) -> None:
    """Write what was counted, for the next run to bring up to date."""
    facts = {
        "asked": _asked(run, fingerprints, _share(votes.rows)),
        "patterns": votes.summary.patterns,
        "counts": votes.summary.counts.to_json(),
    }
    files = run.store.files
    if votes.patterns is not None:
        write_patterns(files, _file(run.id, "patterns"), votes.patterns)
    metadata = {"labelpress": json.dumps(facts)}
    write_patterns(files, _file(run.id, "sample"), votes.summary.sample, metadata)


@dataclass(frozen=True, slots=True)
class _Count:
    """Counts partitions on the workers."""

    run: Run
    cluster: Cluster
    fingerprints: tuple[str, ...]
    before: tuple[str, ...]
    """What the base asked for: its counts are brought up to date where an edit changes little."""
    share: float

    @property
    def most(self) -> int:
        """How many patterns may be held; a sample's worth always."""
        return max(self.run.project.settings.label_model.max_patterns, SAMPLE)

    @property
    def nothing(self) -> Summary:
        """The summary of no votes."""
        votes = np.empty((0, len(self.fingerprints)), self.run.classes.dtype)
        patterns = Patterns(votes, np.empty(0, np.int64))
        return Summary(0, count_votes(patterns, len(self.run.classes)), patterns)

    def summarize(self, wheres: Mapping[str, Where]) -> dict[str, Counted]:
        """Return the summaries of groups of partitions; those with few patterns bring them."""
        groups = self._groups(wheres)
        few = self.most // max(len(groups), 1)
        seed = self.run.project.settings.seed
        place = (*self._place, self.before)
        return self.cluster.map(_summarize, groups, *place, seed, self.share, few)

    def merge(
        self, start: Patterns, wheres: Mapping[str, Where], counted: Mapping[str, Counted]
    ) -> Patterns | None:
        """
        Add the patterns of partitions to others; None where they are more than may be held.

        Groups that are not summarised are taken for small.
        """
        groups = self._groups(wheres)
        sizes = {name: counted[name].summary.patterns if counted else 0 for name in groups}
        there = {name: part.patterns for name, part in counted.items() if part.patterns is not None}
        merged: Patterns | None = start
        for batch in _batches(sizes, self.most):
            wanted = {name: groups[name] for name in batch if name not in there}
            found = self.cluster.map(_merge, wanted, *self._place, self.most)
            brought = [there[name] for name in batch if name in there]
            merged = _merge_within(self.most, [merged, *brought, *found.values()])
            if merged is None:
                break
        return merged

    @property
    def _place(self) -> tuple[Files, tuple[str, ...], Classes]:
        return self.run.store.files, self.fingerprints, self.run.classes

    def _groups(self, wheres: Mapping[str, Where]) -> dict[str, list[Where]]:
        return grouped(wheres, len(self.fingerprints), len(self.run.classes))


def _share(rows: int) -> float:
    """Return the share of the rows to sample: it halves where they double, so samples stay."""
    return 1.0 if rows <= SAMPLE else 0.5 ** ceil(log2(rows / SAMPLE))


def _batches(sizes: Mapping[str, int], most: int) -> list[list[str]]:
    """Put groups together as long as they have no more patterns than may be held."""
    batches: list[list[str]] = []
    held = 0
    for name, size in sizes.items():
        if not batches or held + size > most:
            batches.append([])
            held = 0
        batches[-1].append(name)
        held += size
    return batches


def _summarize(
    group: Sequence[Where],
    files: Files,
    fingerprints: tuple[str, ...],
    classes: Classes,
    before: tuple[str, ...],
    seed: int,
    share: float,
    few: int,
) -> Counted:
    """Count the votes of some partitions and draw their part of the sample, on a worker."""

    def of(where: Where) -> Counted:
        patterns = patterns_of(where, files, fingerprints, classes, before)
        # lots of the partition's own, so a partition that stays keeps its rows in the sample
        own = int.from_bytes(hashlib.blake2b(where[0].encode(), digest_size=8).digest())
        sample = draw_patterns(patterns, share, np.random.default_rng([seed, own]))
        counts = count_votes(patterns, len(classes))
        within = patterns if len(patterns.counts) <= few else None
        return Counted(Summary(len(patterns.counts), counts, sample), within)

    def both(one: Counted, other: Counted) -> Counted:
        merged = _merge_within(few, [one.patterns, other.patterns])
        return Counted(one.summary + other.summary, merged)

    return reduce(both, map(of, group))


def _merge(
    group: Sequence[Where],
    files: Files,
    fingerprints: tuple[str, ...],
    classes: Classes,
    most: int,
) -> Patterns | None:
    """Merge the patterns of some partitions, on a worker."""
    merged: Patterns | None = patterns_of(group[0], files, fingerprints, classes)
    for where in group[1:]:
        merged = _merge_within(most, [merged, patterns_of(where, files, fingerprints, classes)])
    return merged


def _merge_within(most: int, parts: Sequence[Patterns | None]) -> Patterns | None:
    """Merge patterns; None where any is, or where they are more than may be held."""
    there = [part for part in parts if part is not None]
    if len(there) < len(parts):
        return None
    merged = merge_patterns(there)
    return merged if len(merged.counts) <= most else None


def _file(run_id: str, name: str) -> str:
    return f"{folder(run_id)}/{name}.parquet"


def _with_before(where: Where, cells: Mapping[str, Mapping[str, Cell]]) -> Where:
    """Add the cells of a partition that were counted before, so edits can be told from them."""
    digest, rows, now = where
    return digest, rows, {**cells.get(digest, {}), **now}


def _fingerprints_before(run: Run) -> tuple[str, ...]:
    """Return the fingerprints that the base's patterns were counted for, in their order."""
    base, files = run.base_manifest, run.store.files
    if base is None or not files.exists(_file(base.run, "sample")):
        return ()
    return tuple(_facts(run, base.run)["asked"][0])


def _facts(run: Run, base: str) -> dict[str, Any]:
    """Return what was written beside the sample of a run."""
    metadata = run.store.files.parquet_schema(_file(base, "sample")).metadata or {}
    facts: dict[str, Any] = json.loads(metadata[b"labelpress"])
    return facts


def _read(run: Run, fingerprints: tuple[str, ...], share: float) -> SourceVotes | None:
    """Return what the base counted, where the same is asked for now."""
    base, files = run.base_manifest, run.store.files
    if base is None or not files.exists(_file(base.run, "sample")):
        return None
    facts = _facts(run, base.run)
    if facts["asked"] != _asked(run, fingerprints, share):
        return None
    summary = Summary(
        facts["patterns"],
        VoteCounts.from_json(facts["counts"], len(run.classes)),
        read_patterns(files, _file(base.run, "sample"), run.classes),
    )
    patterns = None
    if files.exists(_file(base.run, "patterns")):
        patterns = read_patterns(files, _file(base.run, "patterns"), run.classes)
    return SourceVotes(summary, patterns)


def _asked(run: Run, fingerprints: tuple[str, ...], share: float) -> list[Any]:
    settings = run.project.settings
    return [list(fingerprints), share, settings.seed, settings.label_model.max_patterns]
