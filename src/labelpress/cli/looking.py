"""`labelpress versions`, `explain`, `plan` and `report`: what is in the store, and why."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import exp
from typing import TYPE_CHECKING

from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from labelpress.cli.opening import open_here
from labelpress.explain import explain_row
from labelpress.manifest import read_manifest
from labelpress.report import render_again
from labelpress.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console


def show_versions(uri: str, console: Console) -> None:
    """Print the label versions, oldest first; `no.` numbers the printings of a period."""
    store = store_of(uri)
    versions = store.labels.versions()
    if not versions:
        console.print("No label version has been published yet.")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("version", "period", "no.", "kind", "published", "rows", "labelled", "run"):
        table.add_column(heading, no_wrap=True)
    for version in versions:
        manifest = read_manifest(store.files, version.run)
        entries = manifest.entries if manifest else ()
        rows = sum(entry.rows for entry in entries)
        labelled = sum(entry.counts.labelled for entry in entries)
        table.add_row(
            str(version.version),
            version.period,
            str(version.printing),
            version.kind,
            f"{version.timestamp:%Y-%m-%d}",
            f"{rows:,}",
            f"{labelled / max(rows, 1):.1%}",
            version.run,
        )
    console.print(table)


def print_explanation(uri: str, row: str, version: int | None, console: Console) -> None:
    """Print why a row has its label as JSON, with the heuristics' code as it was then."""
    explanation = asdict(explain_row(store_of(uri), row, version))
    text = json.dumps(explanation, default=str, indent=2, ensure_ascii=False)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_explanation(uri: str, row: str, version: int | None, console: Console) -> None:
    """Print why a row has its label."""
    explanation = explain_row(store_of(uri), row, version)
    found = explanation.version
    console.print(Text(f"row {row}: {explanation.label or 'no label'} ({explanation.origin})"))
    console.print(Text(f"{found}; label model {explanation.label_model}; part {explanation.part}"))
    chances = ", ".join(f"{name} {p:.3f}" for name, p in explanation.probabilities.items())
    console.print(Text(f"probabilities: {chances}"))
    base = ", ".join(f"{name} {p:.3f}" for name, p in explanation.base_rate.items())
    source = explanation.base_rate_source
    console.print(Text(f"base rate of the model: {base} ({source})"))
    table = Table()
    odds = f"odds of {explanation.explained_class}"
    for heading in ("heuristic", "vote", odds, "lift", "owner", "why"):
        table.add_column(heading)
    telling = [vote for vote in explanation.votes if vote.vote or vote.remark]
    for vote in telling:
        table.add_row(
            Text(vote.note.name),
            Text(vote.vote or "-"),
            f"x {exp(vote.log_odds):.3g}" if vote.vote else "",
            "" if vote.lift is None else f"{vote.lift:.2f}",
            Text(vote.note.owner or ""),
            Text("; ".join(filter(None, (vote.note.why, vote.remark)))),
        )
    if telling:
        console.print(table)
    silent = len(explanation.votes) - len(telling)
    console.print(f"{silent} {'other ' if telling else ''}heuristics abstain.", highlight=False)
    console.print(
        Text(
            f"By the label model {explanation.explained_class} has {explanation.without_votes:.3f} "
            "without votes (the model's own start, which need not be the base rate) and "
            f"{explanation.by_votes:.3f} with them. A vote's factor is what the odds would lose "
            "without it; votes that say the same share what they say."
        )
    )
    for answer in explanation.answers:
        who = f"{answer.annotator}{' (simulated)' if answer.simulated else ''}"
        said = answer.label or "skipped"
        why = f": {answer.rationale}" if answer.rationale else ""
        console.print(
            Text(f"answer: {said} by {who} on {answer.answered:%Y-%m-%d}, {answer.counted}{why}")
        )
    verdict = explanation.verdict
    failed = " ".join(verdict.reasons)
    console.print(Text(f"gate: {'passed' if verdict.passed else f'failed. {failed}'}"))
    for sentence in (*explanation.decided, *explanation.missing):
        console.print(Text(sentence))
    for model in explanation.models:
        serving = ", which serves now" if model.serving else ""
        console.print(Text(f"end model {model.model}, {model.role}, learnt from it{serving}"))
    if not explanation.models:
        console.print("no end model was trained on this version")
    console.print(Text(explanation.replayed))


def show_plan(uri: str, period: str, console: Console) -> None:
    """Print what a run would compute, take and change; nothing is written."""
    from labelpress.cluster import open_cluster  # noqa: PLC0415  Dask takes a second to import
    from labelpress.runs import open_run  # noqa: PLC0415
    from labelpress.stages.answers import freeze_answers  # noqa: PLC0415
    from labelpress.stages.forecast import forecast  # noqa: PLC0415
    from labelpress.stages.plan import plan_run  # noqa: PLC0415

    with open_cluster(processes=False) as cluster:
        run = open_run(open_here(uri), period=period, mode="dry-run")
        planned = plan_run(run, freeze_answers(run, cluster), cluster)
        console.print(Markdown(forecast(run, planned, cluster).to_markdown()))


def write_report_again(uri: str, version: int | None, out: Path, console: Console) -> None:
    """Write the report of a label version anew, from what the store holds."""
    store = store_of(uri)
    found = store.labels.find(version)
    out.write_text(render_again(store, found.run), encoding="utf-8")
    console.print(f"{out}: the report of {found}", markup=False)


def store_of(uri: str) -> Store:
    """Return the store of a project, which must exist."""
    project = open_here(uri)
    store = Store(project.store_uri, project.settings.store.storage_options)
    store.identity()
    return store
