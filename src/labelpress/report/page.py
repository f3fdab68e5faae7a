"""The page of the report: figures into a template that escapes everything."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from labelpress.amounts import usd_text
from labelpress.base_rate import BaseRate
from labelpress.report.charts import cost_chart, coverage_chart
from labelpress.summary import accuracy_text, calibration_text, crowded_text, headline

if TYPE_CHECKING:
    import polars as pl

    from labelpress.gate import Verdict
    from labelpress.manifest import Manifest
    from labelpress.stages.promote import Promotion
    from labelpress.stages.train import Trained
    from labelpress.summary import Summary


def render_report(
    manifest: Manifest,
    summary: Summary,
    verdict: Verdict,
    ledger: pl.DataFrame,
    trained: Trained | None,
    promotion: Promotion | None,
) -> str:
    """Return the report of a run as one HTML page without outside references."""
    template = files("labelpress.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["share"] = lambda value: "unknown" if value is None else f"{value:.1%}"
    environment.filters["usd"] = usd_text
    environment.filters["crowded"] = crowded_text
    base_rate = BaseRate.from_json(manifest.base_rate)
    lifts = {lift["heuristic"]: lift for lift in manifest.lifts}
    drift = {found.heuristic: found for found in manifest.drift}
    notes = {note.name: note for note in manifest.heuristics}
    ranked = sorted(
        manifest.statistics,
        key=lambda stats: -(lifts.get(stats["name"], {}).get("lift") or 0.0),
    )
    return environment.from_string(template).render(
        manifest=manifest,
        summary=summary,
        headline=headline(summary),
        accuracy=accuracy_text(summary.certificate),
        calibration=calibration_text(summary.calibration),
        recalibration=manifest.label_model.get("diagnostics", {}).get("recalibration"),
        verdict=verdict,
        heuristics=[
            (s, lifts.get(s["name"], {}), notes[s["name"]], drift.get(s["name"])) for s in ranked
        ],
        base_rate=list(
            zip(manifest.classes, base_rate.mean, base_rate.low, base_rate.high, strict=True)
        ),
        base_rate_source=base_rate.source,
        trained=trained,
        promotion=promotion,
        cost_chart=cost_chart(ledger),
        coverage_chart=coverage_chart(manifest.statistics),
    )
