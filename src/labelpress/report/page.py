"""The page of the report: a story and its figures into a template that escapes everything."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from labelpress.amounts import price_text, usd_text
from labelpress.calibration import Calibration
from labelpress.certify import Certificate
from labelpress.labels import Change
from labelpress.oracle import people
from labelpress.report.bill import why_no_point
from labelpress.report.figures import cause_name
from labelpress.report.questions import STRATA, edited_heuristics, three_answers
from labelpress.report.weakest import weakest_text
from labelpress.report.words import WORDS
from labelpress.summary import calibration_text, crowded_text, headline, part_certificates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.report.drawing import Drawing
    from labelpress.report.story import Story
    from labelpress.summary import Summary


def render_report(story: Story, summary: Summary, figures: Mapping[str, Drawing]) -> str:
    """Return the report of a run as one HTML page without outside references."""
    template = files("labelpress.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "share": lambda value: "unknown" if value is None else f"{value:.1%}",
        "usd": usd_text,
        "amount": lambda usd: usd_text(usd, short=True),
        "price": price_text,
        "seconds": _seconds,
        "spent": _spent,
        "breakable": _breakable,
        "crowded": crowded_text,
        "cause": cause_name,
        "spent_on": lambda stratum: STRATA.get(stratum, stratum),
    }
    manifest = story.manifest
    return environment.from_string(template).render(
        story=story,
        manifest=manifest,
        facts=story.facts,
        summary=summary,
        headline=headline(summary),
        people=people(one.name for one in summary.annotators),
        answers=three_answers(story),
        figures=figures,
        certificates=[
            ("all labels", Certificate.from_json(manifest.certificate)),
            *part_certificates(manifest),
        ],
        calibration=calibration_text(summary.calibration),
        bins=Calibration.from_json(manifest.calibration).bins if manifest.calibration else (),
        recalibration=manifest.label_model.get("diagnostics", {}).get("recalibration"),
        change=sum((entry.change for entry in manifest.entries), Change()),
        edited=edited_heuristics(story),
        taught=sum(entry.counts.by_expert for entry in manifest.entries),
        answers_used=story.facts.point.answers,
        no_point=why_no_point(story.facts.point, story.before),
        weakest=weakest_text(story.worths),
        words=WORDS,
        heuristics=_heuristics(story),
        base_rate=list(
            zip(
                manifest.classes,
                story.base_rate.mean,
                story.base_rate.low,
                story.base_rate.high,
                strict=True,
            )
        ),
    )


def _heuristics(story: Story) -> list[dict[str, Any]]:
    """Return what is known of each heuristic, those that add most first."""
    manifest = story.manifest
    statistics = {stats["name"]: stats for stats in manifest.statistics}
    lifts = {lift["heuristic"]: lift for lift in manifest.lifts}
    drift = {found.heuristic: found for found in manifest.drift}
    worths = {worth.heuristic: worth for worth in story.worths}
    notes = {note.name: note for note in manifest.heuristics}
    order = [*worths, *(name for name in notes if name not in worths)]
    return [
        {
            "note": notes[name],
            "worth": worths.get(name),
            "statistics": statistics.get(name, {}),
            "lift": lifts.get(name, {}).get("lift"),
            "drift": drift.get(name),
        }
        for name in order
    ]


def _seconds(spent: float) -> str:
    """Return seconds to the thousandth; the CPU clock may miss little, so none is not claimed."""
    return "<0.001" if spent < 0.0005 else f"{spent:.3f}"


def _spent(usd: float) -> str:
    """Return an amount to the cent; what little was spent the clock may have missed."""
    return "<0.01" if usd < 0.005 else usd_text(usd, short=True)


def _breakable(name: str) -> Markup:
    """Let a browser break a name where its parts end, not within a word."""
    return escape(name).replace("_", Markup("_<wbr>"))
