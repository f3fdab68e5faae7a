"""
Drawing: a figure as an SVG that follows the reader's colour scheme, or as a picture on white.

Colours stand for things and are the same in every figure. In an SVG each is a CSS variable that
the reader's colour scheme sets; the texts in it are data and are escaped by matplotlib.
"""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

INK, SOFT, LINE = "#1f2a37", "#667085", "#d5d9e0"
EXPERT, MACHINE, HAND = "#c2501a", "#1a6f86", "#c3c9d4"
LABELS, MODEL, TARGET = "#23509e", "#7a3fa8", "#2e7d4f"
_DARK = {
    INK: "#e6e9ee",
    SOFT: "#9aa4b4",
    LINE: "#343c4a",
    EXPERT: "#f0894f",
    MACHINE: "#4fb3cc",
    HAND: "#4b5565",
    LABELS: "#86aef0",
    MODEL: "#c193ea",
    TARGET: "#6ccf95",
}
_WIDTH = 4.2
"""Inches. Narrow, so that a phone need not shrink the letters much: to nine tenths."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure, and what it says in words."""

    name: str
    title: str
    says: str
    """For whoever cannot see it."""
    svg: bytes = field(repr=False)
    """It follows the reader's colour scheme."""
    draw: Callable[[], Any] = field(repr=False)

    @staticmethod
    def of(name: str, title: str, says: str, draw: Callable[[], Any]) -> Drawing:
        """Draw a figure."""
        buffer = io.StringIO()
        with _settings(**{"svg.fonttype": "none", "svg.hashsalt": name}):
            draw().savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return Drawing(name, title, says, _themed(buffer.getvalue()).encode(), draw)

    def svg_address(self) -> str:
        """Return the SVG as a data address."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()

    def png_address(self) -> str:
        """Return a PNG on white as a data address: what Markdown shows everywhere."""
        buffer = io.BytesIO()
        with _settings():
            figure = self.draw()
            # See-through as in the page, dark letters would stand on Prefect's dark one.
            figure.patch.set(facecolor="white", alpha=1)
            # Without the software's version in it the same figures give the same bytes.
            figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
        return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def axes_of(height: float, left: float = 0.62, top: float = 0.35) -> tuple[Any, Any]:
    """Return a figure and its axes; height and margins in inches."""
    from matplotlib.figure import Figure  # noqa: PLC0415  takes long to import

    figure = Figure(figsize=(_WIDTH, height))
    figure.patch.set_alpha(0)
    # Margins in inches: laying a figure out by itself takes longer than drawing it.
    axes = figure.add_axes(
        (left / _WIDTH, 0.5 / height, 1 - (left + 0.12) / _WIDTH, 1 - (0.5 + top) / height)
    )
    axes.set_facecolor("none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(axis="y", linewidth=0.6)
    return figure, axes


def rows_of(names: Sequence[str], top: float = 0.05) -> tuple[Any, Any]:
    """Return axes with a named row per item, the first on top."""
    shown = [_short(name) for name in names]
    left = min(0.25 + 0.075 * max(map(len, shown)), 2.0)
    figure, axes = axes_of(0.65 + top + 0.27 * len(shown), left, top)
    axes.set_yticks(range(len(shown)), shown)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", linewidth=0.6)
    return figure, axes


def bars_of(names: Sequence[str], values: Sequence[float], color: str) -> tuple[Any, Any]:
    """Return axes with a bar per item, and room for a text beside each."""
    figure, axes = rows_of(names)
    axes.barh(range(len(names)), values, 0.62, color=color)
    # A bar's own text stands to its right and must find room there.
    axes.set_xlim(0, max(max(values, default=0), 1) * 1.9)
    return figure, axes


def write_beside(axes: Any, place: int, value: float, text: str) -> None:
    """Write a text to the right of a bar."""
    axes.annotate(
        text, (value, place), (4, 0), textcoords="offset points", va="center", color=INK, fontsize=8
    )


def mark_target(axes: Any, target: float) -> None:
    """Draw a line across at the target accuracy."""
    axes.axhline(100 * target, color=TARGET, linewidth=1, dashes=(4, 3), label="target")


def shade(
    axes: Any, places: Sequence[float], lows: Sequence[float], highs: Sequence[float], color: str
) -> None:
    """Shade the interval of shares between `lows` and `highs`, in percent of the axis."""
    low, high = ([100 * share for share in shares] for shares in (lows, highs))
    axes.fill_between(places, low, high, color=color, alpha=0.15, linewidth=0)


def legend_above(axes: Any, columns: int) -> None:
    """Put the legend above the axes, where it hides nothing."""
    axes.legend(
        frameon=False,
        ncols=columns,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        borderaxespad=0.1,
        handlelength=1.4,
        columnspacing=1.2,
    )


def name_periods(axes: Any, names: Sequence[str]) -> None:
    """Name the periods; where they are many, every second or third, without the year."""
    step = -(-len(names) // 6)
    places = list(range(len(names)))[::-1][::step][::-1]
    shown = [names[place] if len(names) <= 4 else names[place][5:] for place in places]
    axes.set_xticks(places, shown)
    axes.tick_params(axis="x", length=0)


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _settings(**more: Any) -> Any:
    import matplotlib as mpl  # noqa: PLC0415

    base: Any = more
    return mpl.rc_context(
        base
        | {
            "font.size": 9,
            "text.parse_math": False,  # a class may well be called $x$
            "text.color": INK,
            "axes.edgecolor": SOFT,
            "axes.labelcolor": SOFT,
            "axes.linewidth": 0.8,
            "xtick.color": SOFT,
            "ytick.color": SOFT,
            "xtick.labelcolor": INK,
            "ytick.labelcolor": INK,
            "grid.color": LINE,
        }
    )


def _themed(svg: str) -> str:
    """Put a CSS variable in place of each colour, and the reader's own letters in place of ours."""
    light, dark = [], []
    for place, (color, shade) in enumerate(_DARK.items()):
        svg = svg.replace(color, f"var(--c{place})")
        light.append(f"--c{place}:{color}")
        dark.append(f"--c{place}:{shade}")
    svg = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px system-ui, sans-serif", svg)
    style = (
        f"<style>:root{{{';'.join(light)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{';'.join(dark)}}}}}</style>"
    )
    return svg.replace("<defs>", f"{style}<defs>", 1)
