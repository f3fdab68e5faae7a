"""`labelpress check`: is the project right, and what do its heuristics do on a sample?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from rich import box
from rich.table import Table
from rich.text import Text

from labelpress.analysis import analyze
from labelpress.classes import Classes
from labelpress.cli.opening import open_here
from labelpress.heuristics import check_columns, check_separable, load_heuristics
from labelpress.heuristics.isolation import Limits, Sandbox
from labelpress.manifest import read_manifest
from labelpress.slices import check_columns as check_slices
from labelpress.slices import sort_rows
from labelpress.sources.columns import agree
from labelpress.sources.listing import list_source
from labelpress.sources.reading import read_footer, read_rows
from labelpress.stages.forecast import is_edited, why_missing
from labelpress.stages.plan import SEPARABILITY_ROWS
from labelpress.stopping import earliest_sentence
from labelpress.store import Store
from labelpress.test_set import read_test_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from labelpress.analysis import HeuristicStats
    from labelpress.heuristics import Heuristic
    from labelpress.project import Project


MOST_SECONDS = 60.0
"""What a Python heuristic may take on the sample, even where a partition may take longer."""


def show_check(uri: str, rows: int, console: Console) -> None:
    """Check a project and print its heuristic table for a sample; raises what is wrong."""
    project = open_here(uri)
    settings = project.settings
    classes = Classes(settings.classes.names)
    heuristics = load_heuristics(project.bundle, classes)
    read_test_set(project, classes)
    sample, gold = read_sample(project, rows)
    check_columns(heuristics, sample.columns)
    check_slices(settings.slices, sample.columns)
    sort_rows(sample, settings.slices)
    limits = settings.heuristics
    seconds = min(limits.time_limit_seconds, MOST_SECONDS)
    with Sandbox(Limits(seconds, limits.memory_limit_mb)) as sandbox:
        check_separable(
            sample.head(SEPARABILITY_ROWS),
            heuristics,
            classes,
            settings.seed,
            row_id=settings.source.id,
            sandbox=sandbox,
        )
        analysis = analyze(sample, heuristics, gold, classes=classes, sandbox=sandbox)
    title = f"{project.name}: {len(heuristics)} heuristics on {sample.height} rows (shares in %)"
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("heuristic", no_wrap=True)
    for heading in ("votes for", "coverage", "overlap", "conflict", "accuracy", "s/M rows"):
        table.add_column(heading, justify="right")
    ids = sample[settings.source.id].cast(pl.String).to_list()
    examples = Table.grid(padding=(0, 2))
    for stats in analysis.heuristics:
        speed = stats.seconds_per_million_rows
        table.add_row(
            stats.name,
            Text(", ".join(classes.names[code] for code in stats.polarity) or "nothing"),
            f"{100 * stats.coverage:.1f}",
            f"{100 * stats.overlap:.1f}",
            f"{100 * stats.conflict:.1f}",
            _accuracy(stats),
            "" if speed is None else f"{speed:.2f}",
        )
        shown = ", ".join(ids[position] for position in stats.examples) or "none"
        examples.add_row(stats.name, Text(shown))
    console.print(table)
    console.print("Rows on which each votes, for example:")
    console.print(examples)
    _show_recomputed(project, heuristics, console)
    for stats in analysis.heuristics:
        if stats.faults:
            console.print(
                f"{stats.name} raised on {stats.faults} of {sample.height} rows, where it "
                f"abstains; the first: {stats.first_fault}. On more than "
                f"{settings.gate.max_fault_rate:.1%} of the rows a run quarantines it.",
                markup=False,
            )
    for heuristic in heuristics:
        if heuristic.world:
            console.print(
                f"{heuristic.name} uses {', '.join(heuristic.world)}: what it gives at another "
                "time or on another machine changes votes that are reused as they are. Take it "
                "from a column, or write it down as a constant.",
                markup=False,
            )
    silent = [s.name for s in analysis.heuristics if s.coverage == 0]
    if silent:
        console.print(f"Never votes on this sample: {', '.join(silent)}.", markup=False)
    console.print(earliest_sentence(settings.experts), markup=False, highlight=False)
    console.print(
        f"The project is valid: {sample.width} columns, {len(classes)} classes; at least one "
        f"heuristic votes on {analysis.coverage:.1%} of the sample.",
        markup=False,
    )


def _accuracy(stats: HeuristicStats) -> str:
    """Return accuracy with its interval, in points: an accuracy on four rows says little."""
    if stats.accuracy is None or stats.accuracy_low is None or stats.accuracy_high is None:
        return ""
    low, high = stats.accuracy_low, stats.accuracy_high
    return f"{100 * stats.accuracy:.0f} ({100 * low:.0f}-{100 * high:.0f})"


def _show_recomputed(project: Project, heuristics: Sequence[Heuristic], console: Console) -> None:
    """Say which heuristics a run would cast again on rows that are published, and why."""
    store = Store(project.store_uri, project.settings.store.storage_options)
    versions = store.labels.versions()
    base = read_manifest(store.files, versions[-1].run) if versions else None
    if base is None:
        return
    known = {note.name: note for note in base.heuristics}
    edited = [heuristic for heuristic in heuristics if is_edited(heuristic, known)]
    for heuristic in edited:
        console.print(
            f"A run would cast {heuristic.name} on all {len(base.partitions)} partitions: "
            f"{why_missing(heuristic, known)}.",
            markup=False,
        )
    kept = len(heuristics) - len(edited)
    console.print(
        f"It would reuse the stored cells of {kept} heuristics on unchanged partitions.",
        markup=False,
    )


def read_sample(project: Project, rows: int) -> tuple[pl.DataFrame, list[str] | None]:
    """Return rows from the start of the source, and their gold where an oracle has it."""
    source = project.settings.source
    oracle = project.settings.experts.oracle
    listing = list_source(project.source_uri, source)
    frames: list[pl.DataFrame] = []
    for file in listing.files:
        footer = read_footer(file, source.storage_options)
        if not sum(footer.row_groups):
            continue
        types = agree([name for name, _ in footer.schema], {file.path: dict(footer.schema)}, source)
        frames.append(read_rows(file, (0, 0), types, source.storage_options).head(rows))
        if sum(frame.height for frame in frames) >= rows:
            break
    sample = pl.concat(frames, how="diagonal_relaxed").head(rows)
    if oracle is None or oracle not in sample.columns:
        return sample, None
    return sample.drop(oracle), sample[oracle].cast(pl.String).to_list()
