"""The plan stage: what the source is made of, what changed, and which cells are missing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from labelpress.environment import environment
from labelpress.erasure.tombstones import read_tombstones
from labelpress.errors import SourceError, did_you_mean
from labelpress.heuristics import check_columns, check_separable, load_heuristics
from labelpress.manifest import HeuristicNote, Manifest
from labelpress.partitions import may_be_trusted, split
from labelpress.row_index import erased_positions, index_rows, locate_rows
from labelpress.row_index import find_duplicates as find_duplicates_in
from labelpress.runs import run_ids
from labelpress.slices import check_columns as check_slices
from labelpress.sources.columns import agree
from labelpress.sources.listing import list_source
from labelpress.sources.reading import inspect, read_rows
from labelpress.vote_files import find_cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labelpress.answers import FrozenAnswers
    from labelpress.bundle import Bundle
    from labelpress.classes import Classes
    from labelpress.cluster import Cluster
    from labelpress.heuristics import Heuristic
    from labelpress.partitions import Partition
    from labelpress.runs import Run
    from labelpress.sources.listing import SourceFile
    from labelpress.sources.reading import FileFacts
    from labelpress.tables.files import Files
    from labelpress.vote_files import Cell

SEPARABILITY_ROWS = 200
ROWS_PER_BUCKET = 4_000_000
"""New ids that one worker compares at once when it looks for duplicates."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is about to do."""

    manifest: Manifest
    answers: pl.DataFrame
    """The answers that still match their rows, with `partition` and `position`."""
    missing: Mapping[str, tuple[str, ...]]
    """Per partition (by part): fingerprints of the cells to compute."""

    @property
    def stale_answers(self) -> int:
        """Answered rows that have no answer for what they are now: they have changed or gone."""
        return self.manifest.stale_answers

    @property
    def cells_missing(self) -> int:
        """How many cells are to be computed."""
        return sum(len(fingerprints) for fingerprints in self.missing.values())


def plan_run(run: Run, frozen: FrozenAnswers, cluster: Cluster) -> Plan:
    """
    Look at the source and find out which partitions are new, changed or gone, and which cells lack.

    Writes nothing but the row ids and row hashes of new partitions, and in a dry run not even
    these. Raises `SourceError` or
    `HeuristicError` where the source or the heuristics cannot be used.
    """
    settings = run.project.settings
    source = settings.source
    looked_at = time.time()
    listing = list_source(run.project.source_uri, source)
    partitions, schemas = _find_partitions(run, listing.files, cluster)
    if not partitions:
        raise SourceError(
            f"the source {run.project.source_uri!r} has files but no rows: nothing to label."
        )
    _check_id_column(run, schemas)
    _check_order_column(run, schemas)
    heuristics = load_heuristics(run.project.bundle, run.classes)
    known = sorted(set().union(*schemas.values()) - {settings.experts.oracle})
    check_columns(heuristics, known)
    check_slices(settings.slices, known)
    types = agree(_columns_read(run, heuristics, known), schemas, source)
    dropped: dict[str, list[int]] = {}
    condemned = run.store.condemned()
    if run.mode != "dry-run":
        by_part = {p.part: (p, schemas[p.file.path]) for p in partitions}
        hidden = settings.experts.oracle
        id_type = types[source.id]
        erased = read_tombstones(run.store.files)
        shared = (source, hidden, id_type, condemned, erased)
        cluster.map(index_rows, by_part, run.store.files, *shared)
        dropped = _dropped_rows(run, partitions, cluster)
        if erased:
            dropped = _without_erased(run, partitions, dropped, cluster)
    _check_new_heuristics(run, heuristics, partitions[0], types, cluster)
    cells = _known_cells(run, heuristics, partitions, condemned, cluster)
    missing = {
        partition.part: lacking
        for partition in partitions
        if (lacking := _lacking(heuristics, cells.get(partition.digest, {})))
    }
    answers = frozen.rows if run.mode != "dry-run" else frozen.rows.head(0)
    located = match_answers(run, answers, partitions, dropped, cluster)
    manifest = Manifest(
        run=run.id,
        project=run.project.name,
        project_digest=run.project.bundle.sha,
        period=run.slot.period,
        printing=run.slot.printing,
        mode=run.mode,
        base_version=run.base.version if run.base else None,
        answers_version=frozen.version,
        asks_version=frozen.asks_version,
        stale_answers=answers["row_id"].n_unique() - located.height,
        annotators=tuple(annotator.to_json() for annotator in frozen.annotators),
        source_uri=run.project.source_uri,
        source_version=listing.version,
        classes=run.classes.names,
        types=types,
        id_type=types[source.id],
        indexed_by=(source.id, settings.experts.oracle, source.on_duplicate),
        heuristics=tuple(_note(heuristic) for heuristic in heuristics),
        looked_at=looked_at,
        environment=environment(),
        settings=settings.judged_by(),
        # runs that were killed or held count too: whoever looks more often errs more often
        looks=len({*run_ids(run.store), run.id}),
        partitions=partitions,
        schemas=schemas,
        dropped=dropped,
        cells=cells,
    )
    return Plan(manifest, located, missing)


def _find_partitions(
    run: Run, files: Sequence[SourceFile], cluster: Cluster
) -> tuple[tuple[Partition, ...], dict[str, dict[str, str]]]:
    source = run.project.settings.source
    indexed_by = (source.id, run.project.settings.experts.oracle, source.on_duplicate)
    base = run.base_manifest
    if base is not None and base.indexed_by != indexed_by:
        # The row indexes that are remembered were made otherwise.
        base = None
    remembered = {p.file.path: p.file for p in base.partitions} if base else {}
    trusted = {
        file.path
        for file in files
        if base is not None
        and file.path in remembered
        and may_be_trusted(file, remembered[file.path], base.looked_at)
    }
    fresh = {file.path: file for file in files if file.path not in trusted}
    facts: dict[str, FileFacts] = cluster.map(inspect, fresh, source.storage_options)
    schemas = {
        path: dict(fact.footer.schema)
        for path, fact in facts.items()
        if sum(fact.footer.row_groups)
    }
    if base is not None:
        schemas |= {path: dict(base.schemas[path]) for path in trusted}
    partitions: list[Partition] = []
    for file in files:
        if base is not None and file.path in trusted:
            partitions += [p for p in base.partitions if p.file.path == file.path]
        else:
            partitions += split(
                file,
                facts[file.path],
                partition_rows=source.partition_rows,
                indexed_by=indexed_by,
            )
    return tuple(partitions), dict(sorted(schemas.items()))


def _check_id_column(run: Run, schemas: Mapping[str, Mapping[str, str]]) -> None:
    source = run.project.settings.source
    lacking = [path for path, schema in schemas.items() if source.id not in schema]
    if lacking:
        raise SourceError(
            f"project.toml, [source] id: {lacking[0]!r} has no column {source.id!r}."
            f"{did_you_mean(source.id, schemas[lacking[0]])} Its columns are "
            f"{', '.join(map(repr, sorted(schemas[lacking[0]])))}."
        )
    kind = agree([source.id], schemas, source)[source.id]
    if kind != "string" and not kind.startswith(("int", "uint")):
        raise SourceError(
            f"project.toml, [source] id: column {source.id!r} is {kind}; an id is text or integer."
        )


def _check_order_column(run: Run, schemas: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse an order column that is nowhere, or not everywhere: nothing else names the latest."""
    source = run.project.settings.source
    if source.latest_by is None:
        return
    known = sorted(set().union(*schemas.values()))
    if source.latest_by not in known:
        raise SourceError(
            f"project.toml, [source] on_duplicate: the source has no column {source.latest_by!r}."
            f"{did_you_mean(source.latest_by, known)}"
        )
    agree([source.latest_by], schemas, source.model_copy(update={"missing_columns": "error"}))


def _columns_read(run: Run, heuristics: Sequence[Heuristic], known: Sequence[str]) -> list[str]:
    wanted: set[str] = {run.project.settings.source.id}
    for heuristic in heuristics:
        wanted |= set(known if heuristic.columns is None else heuristic.columns)
    features = run.project.settings.end_model.features
    wanted |= run.project.settings.slices.columns
    wanted |= {*features.text, *features.categorical, *features.numeric}
    return sorted(wanted)


def _dropped_rows(
    run: Run, partitions: Sequence[Partition], cluster: Cluster
) -> dict[str, list[int]]:
    """Return the positions of rows that a later row of the same id replaces, by part."""
    base = run.base_manifest
    parts = tuple((partition.part, partition.digest) for partition in partitions)
    published = () if base is None else tuple((p.part, p.digest) for p in base.partitions)
    if base is not None and parts == published:
        return dict(base.dropped)
    latest = run.project.settings.source.latest_by is not None
    fresh, known = list(partitions), []
    if base is not None and not latest:
        # What was published has no id twice, but for the rows that were dropped on that account.
        compared = {key for key in published if not base.dropped.get(key[0])}
        known = [p for p in partitions if (p.part, p.digest) in compared]
        fresh = [p for p in partitions if (p.part, p.digest) not in compared]
    buckets = 1 + sum(partition.rows for partition in fresh) // ROWS_PER_BUCKET
    numbered = {f"ids {bucket + 1} of {buckets}": bucket for bucket in range(buckets)}
    sent = (run.store.files, fresh, known, buckets, latest)
    found = cluster.map(find_duplicates_in, numbered, *sent)
    count = sum(duplicates.count for duplicates in found.values())
    if count and not latest:
        examples = [e for duplicates in found.values() for e in duplicates.examples][:3]
        raise SourceError(
            f"{count} ids occur more than once in the source, such as {'; '.join(examples)}. "
            'Remove the duplicates, or set [source] on_duplicate = "latest:COLUMN" in '
            "project.toml to take the newest row of each id."
        )
    dropped: dict[str, list[int]] = {}
    for duplicates in found.values():
        for part, position in duplicates.losers:
            dropped.setdefault(part, []).append(position)
    return {part: sorted(positions) for part, positions in sorted(dropped.items())}


def _without_erased(
    run: Run,
    partitions: Sequence[Partition],
    dropped: Mapping[str, list[int]],
    cluster: Cluster,
) -> dict[str, list[int]]:
    """Drop the rows that were erased and are still in the source."""
    digests = {partition.part: partition.digest for partition in partitions}
    found = cluster.map(erased_positions, digests, run.store.files)
    both = {part: sorted({*dropped.get(part, ()), *erased}) for part, erased in found.items()}
    return {part: positions for part, positions in sorted(both.items()) if positions}


def _check_new_heuristics(
    run: Run,
    heuristics: Sequence[Heuristic],
    partition: Partition,
    types: Mapping[str, str],
    cluster: Cluster,
) -> None:
    base = run.base_manifest
    known = {note.fingerprint for note in base.heuristics} if base else set()
    if all(heuristic.fingerprint in known for heuristic in heuristics):
        return
    cluster.map(
        sample_and_check,
        {"first rows": partition},
        run.project.bundle,
        run.classes,
        types,
        run.project.settings.source.storage_options,
        run.project.settings.seed,
    )


def sample_and_check(
    partition: Partition,
    bundle: Bundle,
    classes: Classes,
    types: Mapping[str, str],
    options: Mapping[str, str],
    seed: int,
) -> None:
    """Re-evaluate the heuristics on a sample of a partition, on a worker (design section 7)."""
    groups = (partition.row_groups[0], partition.row_groups[0])
    frame = read_rows(partition.file, groups, types, options).head(SEPARABILITY_ROWS)
    check_separable(frame, load_heuristics(bundle, classes), classes, seed)


def _known_cells(
    run: Run,
    heuristics: Sequence[Heuristic],
    partitions: Sequence[Partition],
    condemned: frozenset[str],
    cluster: Cluster,
) -> dict[str, dict[str, Cell]]:
    wanted = {heuristic.fingerprint for heuristic in heuristics}
    base = run.base_manifest
    cells: dict[str, dict[str, Cell]] = {}
    for partition in partitions:
        remembered = base.cells.get(partition.digest, {}) if base else {}
        cells[partition.digest] = {fp: c for fp, c in remembered.items() if fp in wanted}
    incomplete = {p.part: p for p in partitions if set(cells[p.digest]) != wanted}
    for part, found in cluster.map(stored_cells, incomplete, run.store.files, condemned).items():
        kept = {cell.fingerprint: cell for cell in found if cell.fingerprint in wanted}
        cells[incomplete[part].digest] |= kept
    return cells


def stored_cells(
    partition: Partition, files: Files, condemned: frozenset[str] = frozenset()
) -> tuple[Cell, ...]:
    """List the cells that any run, also one that crashed, has stored for a partition."""
    return find_cells(files, partition.digest, condemned)


def _lacking(heuristics: Sequence[Heuristic], cells: Mapping[str, Cell]) -> tuple[str, ...]:
    fingerprints = dict.fromkeys(heuristic.fingerprint for heuristic in heuristics)
    return tuple(fingerprint for fingerprint in fingerprints if fingerprint not in cells)


def match_answers(
    run: Run,
    answers: pl.DataFrame,
    partitions: Sequence[Partition],
    dropped: Mapping[str, list[int]],
    cluster: Cluster,
) -> pl.DataFrame:
    """Return the answers whose row is as it was when it was asked, and where it is."""
    present = _present(_locate(run, answers, partitions, cluster), partitions, dropped)
    return present.unique("row_id", keep="first").sort("row_id")


def _locate(
    run: Run, answers: pl.DataFrame, partitions: Sequence[Partition], cluster: Cluster
) -> pl.DataFrame:
    """Find the rows of the answers: first where they were asked, else anywhere."""
    empty = answers.head(0).with_columns(pl.lit(None, pl.Int64).alias("position"))
    if answers.height == 0:
        return empty
    asked = {key[0]: rows for key, rows in answers.group_by("partition")}
    at_home = {p.part: (p.digest, asked[p.digest]) for p in partitions if p.digest in asked}
    found = list(cluster.map(locate_rows, at_home, run.store.files).values())
    homeless = answers.filter(
        ~pl.col("partition").is_in([partition.digest for partition in partitions])
    )
    if homeless.height:
        elsewhere = {partition.part: (partition.digest, homeless) for partition in partitions}
        found += cluster.map(locate_rows, elsewhere, run.store.files).values()
    return pl.concat([empty, *found])


def _present(
    located: pl.DataFrame, partitions: Sequence[Partition], dropped: Mapping[str, list[int]]
) -> pl.DataFrame:
    """Leave out answers for rows that a later row of the same id replaces."""
    gone: dict[str, set[int]] = {}
    for partition in partitions:
        positions = set(dropped.get(partition.part, ()))
        # A copy of a partition has the same digest: the row is gone only if it is gone from both.
        gone[partition.digest] = gone.get(partition.digest, positions) & positions
    keys = located.select("partition", "position").iter_rows()
    return located.filter(
        pl.Series([position not in gone[digest] for digest, position in keys], dtype=pl.Boolean)
    )


def _note(heuristic: Heuristic) -> HeuristicNote:
    return HeuristicNote(
        name=heuristic.name,
        fingerprint=heuristic.fingerprint,
        kind=heuristic.kind,
        label=heuristic.label,
        owner=heuristic.owner,
        why=heuristic.why,
        code=heuristic.code,
        precision=heuristic.precision,
        facts=heuristic.facts,
    )
