"""`labelpress profit`: what each heuristic cost, what it added, and what to do with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from labelpress.amounts import usd_text
from labelpress.cli.looking import store_of
from labelpress.profit import weigh_heuristics

if TYPE_CHECKING:
    from rich.console import Console

_ORDER = {"retire": 0, "fix": 1, "keep": 2}


def print_profit(uri: str, version: int | None, console: Console) -> None:
    """Print what each heuristic is worth as JSON."""
    found = [one.to_json() for one in weigh_heuristics(store_of(uri), version)]
    text = json.dumps(found, indent=2, ensure_ascii=False)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_profit(uri: str, version: int | None, console: Console) -> None:
    """Print what each heuristic is worth for people, what needs a decision first."""
    found = weigh_heuristics(store_of(uri), version)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("heuristic", no_wrap=True)
    for heading in ("USD", "so far", "labels by it", "right rows", "answers saved"):
        table.add_column(heading, justify="right", no_wrap=heading == "right rows")
    table.add_column("advice")
    ordered = sorted(found, key=lambda one: (_ORDER[one.advice], one.gain or 0.0))
    for one in ordered:
        gain = "" if one.gain is None else f"{one.gain:+.2%} ± {one.gain_error:.2%}"
        table.add_row(
            Text(one.heuristic),
            usd_text(one.usd, short=True),
            usd_text(one.usd_so_far, short=True),
            f"{one.changed:,}",
            gain,
            "" if one.answers_saved is None else f"{one.answers_saved:,.0f}",
            one.advice,
        )
    console.print(table)
    for one in ordered:
        console.print(Text(f"{one.heuristic}: {one.advice}. {one.evidence}"))
