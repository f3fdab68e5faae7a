"""`labelpress bias`: what the labels of each slice are like, and what does harm where."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from labelpress.bias.report import find_bias
from labelpress.cli.looking import store_of
from labelpress.cli.opening import open_here
from labelpress.summary import accuracy_text, crowded_text

if TYPE_CHECKING:
    from rich.console import Console

    from labelpress.bias.report import Bias, SliceFacts

_SHOWN_GAPS = 5


def _find(uri: str, version: int | None) -> Bias:
    settings = open_here(uri).settings
    declared = settings.slices if settings.slices.names else None
    return find_bias(store_of(uri), version, declared=declared, source=settings.source)


def print_bias(uri: str, version: int | None, console: Console) -> None:
    """Print what was found as JSON."""
    text = json.dumps(_find(uri, version).to_json(), indent=2, ensure_ascii=False)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_bias(uri: str, version: int | None, console: Console) -> None:
    """Print what was found for people."""
    bias = _find(uri, version)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("slice")
    for heading in ("rows", "coverage", "calibration error"):
        table.add_column(heading, justify="right")
    table.add_column("accuracy")
    table.add_column("most associated label")
    for one in bias.slices:
        table.add_row(
            Text(one.name),
            f"{one.rows:,}",
            f"{one.coverage:.1%}",
            "" if one.calibration_error is None else f"{one.calibration_error:.1%}",
            Text(one.insufficient or (accuracy_text(one.accuracy) if one.accuracy else "unknown")),
            Text(_associated(one)),
        )
    console.print(table)
    for name in bias.crowded:
        console.print(crowded_text(name), markup=False, highlight=False)
    worst = bias.gaps[:_SHOWN_GAPS]
    console.print("Heuristics that bring wrong labels into a slice, the worst first:")
    for number, gap in enumerate(worst, start=1):
        console.print(f"{number}. {gap.sentence()}", markup=False, highlight=False, soft_wrap=True)
    if not worst:
        console.print("none found")


def _associated(one: SliceFacts) -> str:
    label = max(one.association_gap, key=lambda name: one.association_gap[name])
    return f"{label} ({one.association[label]:+.2f}, {one.association_gap[label]:+.2f} to others)"
