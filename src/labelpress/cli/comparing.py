"""`labelpress diff`: how two label versions differ, and what caused it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from labelpress.cli.looking import store_of
from labelpress.diff.versions import diff_versions

if TYPE_CHECKING:
    from rich.console import Console

    from labelpress.diff.rows import Example


def print_diff(uri: str, before: int, after: int, resamples: int, console: Console) -> None:
    """Print a diff as JSON."""
    diff = diff_versions(store_of(uri), before, after, resamples=resamples)
    text = json.dumps(diff.to_json(), indent=2, ensure_ascii=False)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_diff(uri: str, before: int, after: int, resamples: int, console: Console) -> None:
    """Print a diff for people."""
    diff = diff_versions(store_of(uri), before, after, resamples=resamples)
    share = "unknown" if diff.churn is None else f"{diff.churn:.2%}"
    console.print(
        f"Label versions {before} and {after}: {diff.changed:,} of {diff.common:,} rows in both "
        f"have another label (churn {share}); {diff.new:,} rows are new, {diff.gone:,} gone."
    )
    if not diff.shares:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cause")
    for heading in ("rows", "churn", "of it"):
        table.add_column(heading, justify="right")
    table.add_column("what happened")
    table.add_column("for example")
    for one in diff.shares:
        table.add_row(
            Text(str(one.cause)),
            f"{one.rows:,}",
            f"{one.churn:.2%}",
            f"{one.of_churn:.1%}",
            Text(one.what),
            Text("; ".join(map(_example, one.examples))),
        )
    console.print(table)
    if diff.noise is not None:
        refit = sum(one.churn for one in diff.shares if one.cause.kind == "refit")
        console.print(diff.noise.sentence(refit), markup=False, highlight=False)


def _example(example: Example) -> str:
    return f"{example.row_id}: {example.before or 'no label'} -> {example.after or 'no label'}"
