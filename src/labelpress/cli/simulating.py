"""`labelpress simulate`: what the loop would reach with so many answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.table import Table

from labelpress.cli.opening import open_here
from labelpress.cluster import open_cluster
from labelpress.simulation import simulate

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from labelpress.simulation import Round, Score


def show_simulation(
    uri: str, budget: int, rounds: int, seed: int, out: Path | None, console: Console
) -> None:
    """Simulate, print a line for each round, and write the JSON."""
    project = open_here(uri)
    with open_cluster(processes=False) as cluster:
        done = simulate(project, cluster, budget=budget, rounds=rounds, seed=seed)
    console.print(_table(done))
    if out is not None:
        found = {
            "project": project.name,
            "seed": seed,
            "rounds": [one.to_json() for one in done],
        }
        out.write_text(json.dumps(found, indent=1) + "\n")
        console.print(f"{out}: {len(done)} rounds", markup=False, highlight=False)


def _table(rounds: tuple[Round, ...]) -> Table:
    table = Table(title="All answers are simulated. Accuracy of the end model is on the test set.")
    for heading in (
        "answers",
        "labels certified",
        "coverage",
        "end model",
        "heuristics only",
        "answers only",
        "mix",
    ):
        table.add_column(heading)
    for one in rounds:
        certified = "-" if one.accuracy is None else f"{one.low:.1%} to {one.high:.1%}"
        table.add_row(
            str(one.answers),
            certified,
            f"{one.coverage:.1%}",
            _shown(one.model),
            _shown(one.heuristics_only),
            _shown(one.answers_only),
            one.mix,
        )
    return table


def _shown(score: Score) -> str:
    return "-" if score.accuracy is None else f"{score.accuracy:.1%}"
