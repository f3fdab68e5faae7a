"""Charts of the report, as PNG in data addresses: they open offline and in the Prefect UI."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import polars as pl

from labelpress.amounts import usd_text
from labelpress.ledger import PAID_TO_EXPERTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INK, EXPERT, COMPUTE, HAND = "#667085", "#b4541a", "#2f6f8f", "#98a2b3"


def cost_chart(ledger: pl.DataFrame, periods: int = 12) -> str:
    """Draw what the last periods cost, experts and compute stacked, hand-labelling beside it."""
    spent = pl.col("counted_as") == "spent"
    expert = pl.col("what").is_in(PAID_TO_EXPERTS)
    per_period = (
        ledger.group_by("period")
        .agg(
            pl.col("usd").filter(spent & expert).sum().alias("expert"),
            pl.col("usd").filter(spent & ~expert).sum().alias("compute"),
            pl.col("usd").filter(pl.col("counted_as") == "baseline").sum().alias("hand"),
        )
        .sort("period")
        .tail(periods)
    )
    figure, axes = _axes()
    places = list(range(per_period.height))
    experts, compute = per_period["expert"].to_list(), per_period["compute"].to_list()
    axes.bar([p - 0.2 for p in places], experts, 0.38, color=EXPERT, label="experts")
    axes.bar(
        [p - 0.2 for p in places], compute, 0.38, bottom=experts, color=COMPUTE, label="compute"
    )
    hand = per_period["hand"].to_list()
    axes.bar(
        [p + 0.2 for p in places],
        hand,
        0.38,
        color=HAND,
        label="labelling new rows by hand (model)",
    )
    for place, value in zip(
        places, [e + c for e, c in zip(experts, compute, strict=True)], strict=True
    ):
        axes.annotate(
            usd_text(value, short=True), (place - 0.2, value), ha="center", va="bottom", color=INK
        )
    axes.set_xticks(places, per_period["period"].to_list())
    axes.set_ylabel("USD", color=INK)
    axes.legend(frameon=False, labelcolor=INK)
    return _address(figure)


def coverage_chart(statistics: Sequence[Mapping[str, Any]]) -> str:
    """Draw the coverage of each heuristic and how much of it is in conflict."""
    figure, axes = _axes(height=0.9 + 0.3 * max(len(statistics), 1))
    names = [stats["name"] for stats in statistics]
    places = list(range(len(names)))
    axes.barh(places, [s["coverage"] for s in statistics], color=COMPUTE, label="coverage")
    axes.barh(places, [s["conflict"] for s in statistics], color=EXPERT, label="in conflict")
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlabel("share of the rows", color=INK)
    axes.legend(frameon=False, labelcolor=INK)
    return _address(figure)


def _axes(height: float = 3.0) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415  takes long to import

    figure = Figure(figsize=(7.2, height), layout="constrained")
    axes = figure.subplots()
    figure.patch.set_alpha(0)
    axes.set_facecolor("none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)
    axes.tick_params(colors=INK)
    return figure, axes


def _address(figure: Any) -> str:
    buffer = io.BytesIO()
    # Without the software's version in it the same figures give the same bytes.
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
