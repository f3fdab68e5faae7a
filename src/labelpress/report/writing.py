"""Writing the report of a run into the store, at its end or at any time after."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelpress.classes import Classes
from labelpress.errors import LabelpressError
from labelpress.manifest import folder, read_manifest
from labelpress.report.facts import read_facts
from labelpress.report.figures import drawings
from labelpress.report.page import render_report
from labelpress.report.questions import three_answers
from labelpress.report.story import tell
from labelpress.summary import markdown, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.manifest import Manifest
    from labelpress.report.bill import Units
    from labelpress.report.drawing import Drawing
    from labelpress.report.facts import RunFacts
    from labelpress.store import Store
    from labelpress.summary import Summary

IN_MARKDOWN = ("cost", "accuracy")
"""The figures of the short version."""


@dataclass(frozen=True, slots=True)
class Written:
    """A report in the store, and its short version."""

    summary: Summary
    markdown: str
    pictures: str
    units: tuple[Units, Units]
    """Of the period and so far."""
    files: Mapping[str, str]
    """What MLflow keeps as artifacts: places in the store, by name."""


def write_report(store: Store, manifest: Manifest, facts: RunFacts, classes: Classes) -> Written:
    """Write a run's report, its figures and what else MLflow keeps as artifacts."""
    story = tell(store, manifest, facts)
    summary = summarise(manifest, classes, facts, story.costs, story.so_far.total_usd)
    figures = drawings(story)
    content = {
        "label_model.json": _json(manifest.label_model),
        "gate.json": _json(manifest.verdict),
        "report.html": render_report(story, summary, figures).encode(),
    } | {f"figures/{name}.svg": figure.svg for name, figure in figures.items()}
    places = {name: f"{folder(manifest.run)}/{name}" for name in content}
    for name, data in content.items():
        store.files.write_bytes(places[name], data)
    return Written(
        summary=summary,
        markdown=markdown(summary, story.verdict, manifest.refit, three_answers(story)),
        pictures=_pictures(figures),
        units=(story.units, story.units_so_far),
        files=places,
    )


def render_again(store: Store, run: str) -> str:
    """
    Return the report of a run, made anew from the store: the same bytes as in its record.

    Raises `LabelpressError` where the run stopped before its report could be told.
    """
    facts = read_facts(store, run)
    manifest = None if facts is None else read_manifest(store.files, run)
    if facts is None or manifest is None:
        raise LabelpressError(
            f"run {run} has no report yet: it stopped before one could be written. Run relabel "
            "again."
        )
    story = tell(store, manifest, facts)
    classes = Classes(manifest.classes)
    summary = summarise(manifest, classes, facts, story.costs, story.so_far.total_usd)
    return render_report(story, summary, drawings(story))


def _pictures(figures: Mapping[str, Drawing]) -> str:
    shown = [figures[name] for name in IN_MARKDOWN if name in figures]
    return "\n\n".join(f"![{figure.title}]({figure.png_address()})" for figure in shown)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, default=str).encode()
