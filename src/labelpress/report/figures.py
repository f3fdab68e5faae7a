"""The figures of a report, each for one question; those that would be empty are left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelpress.amounts import usd_text
from labelpress.report.drawing import (
    EXPERT,
    HAND,
    INK,
    LABELS,
    MACHINE,
    MODEL,
    TARGET,
    Drawing,
    axes_of,
    bars_of,
    legend_above,
    mark_target,
    name_periods,
    rows_of,
    shade,
    write_beside,
)
from labelpress.report.questions import STRATA
from labelpress.summary import part_certificates

if TYPE_CHECKING:
    from labelpress.report.story import Story

_MOST_BARS = 20
_COMPARABLE = 10
"""How many times what was spent hand labelling may cost and still be drawn beside it: beside a
larger bar the others cannot be seen."""


def drawings(story: Story) -> dict[str, Drawing]:
    """Return the figures of a story by name; those that would be empty are left out."""
    found = (
        _costs(story),
        _accuracy(story),
        _learning(story),
        _sweep(story),
        _minutes(story),
        _causes(story),
        _base_rate(story),
        _slices(story),
        _heuristics(story),
    )
    return {drawing.name: drawing for drawing in found if drawing is not None}


def _costs(story: Story) -> Drawing:
    periods = story.periods
    names = [period.period for period in periods]
    spent = max((period.costs.total_usd for period in periods), default=0.0)
    by_hand = max((period.costs.hand_usd for period in periods), default=0.0)
    comparable = by_hand <= _COMPARABLE * spent

    def draw() -> Any:
        figure, axes = axes_of(2.7)
        places = range(len(periods))
        shift = 0.2 if comparable else 0.0
        expert = [period.costs.expert_usd for period in periods]
        machine = [period.costs.compute_usd for period in periods]
        hand = [period.costs.hand_usd for period in periods]
        left = [place - shift for place in places]
        if comparable:
            right = [place + shift for place in places]
            axes.bar(right, hand, 0.36, color=HAND, label="by hand (a model)")
        axes.bar(left, expert, 0.36, color=EXPERT, label="experts")
        axes.bar(left, machine, 0.36, bottom=expert, color=MACHINE, label="machines")
        for place, period in zip(places, periods, strict=True):
            total = period.costs.total_usd
            axes.annotate(
                usd_text(total, short=True),
                (place - shift, total),
                (0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                color=INK,
                fontsize=8 if len(periods) < 7 else 6,
            )
        name_periods(axes, names)
        axes.set_ylabel("USD")
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.margins(y=0.12)
        legend_above(axes, 3)
        return figure

    told = "; ".join(f"{p.period} {usd_text(p.costs.total_usd)}" for p in periods)
    return Drawing.of("cost", "What each period cost", told, draw)


def _accuracy(story: Story) -> Drawing | None:
    points = [point for point in story.history if point.accuracy is not None]
    if not points:
        return None
    target = story.facts.target_accuracy

    def draw() -> Any:
        figure, axes = axes_of(2.7)
        places = list(range(len(points)))
        shares = [100 * (point.accuracy or 0.0) for point in points]
        lows = [s - 100 * p.low for s, p in zip(shares, points, strict=True)]
        highs = [100 * p.high - s for s, p in zip(shares, points, strict=True)]
        mark_target(axes, target)
        axes.errorbar(
            places,
            shares,
            [[max(v, 0) for v in lows], [max(v, 0) for v in highs]],
            fmt="o",
            color=LABELS,
            markersize=5,
            capsize=3,
            label="labels, 95 %",
        )
        judged = [(x, p.model_accuracy) for x, p in zip(places, points, strict=True)]
        known = [(x + 0.16, 100 * y) for x, y in judged if y is not None]
        if known:
            axes.plot(*zip(*known, strict=True), "D", color=MODEL, markersize=4, label="end model")
        name_periods(axes, [point.name for point in points])
        axes.set_xlim(-0.6, len(points) - 0.4)
        axes.set_ylabel("% right")
        legend_above(axes, 3)
        return figure

    told = "; ".join(f"{p.name} {p.accuracy:.1%} ({p.low:.1%} to {p.high:.1%})" for p in points)
    return Drawing.of("accuracy", "How many labels are right", told, draw)


def _learning(story: Story) -> Drawing | None:
    points = [p for p in story.history if p.accuracy is not None and p.answers]
    if len({point.answers for point in points}) < 2:
        return None

    def draw() -> Any:
        figure, axes = axes_of(2.7)
        answers = [point.answers for point in points]
        mark_target(axes, story.facts.target_accuracy)
        shade(axes, answers, [p.low for p in points], [p.high for p in points], LABELS)
        shares = [100 * (p.accuracy or 0.0) for p in points]
        axes.plot(answers, shares, "o-", color=LABELS, markersize=4, label="labels")
        known = [(p.answers, 100 * p.model_accuracy) for p in points if p.model_accuracy]
        if known:
            axes.plot(
                *zip(*known, strict=True), "D--", color=MODEL, markersize=4, label="end model"
            )
        axes.set_xlabel("answers so far")
        axes.set_ylabel("% right")
        legend_above(axes, 3)
        return figure

    told = "; ".join(f"{p.answers} answers: {p.accuracy:.1%} of the labels" for p in points)
    return Drawing.of("learning", "Does more answering help?", told, draw)


def _sweep(story: Story) -> Drawing | None:
    model = story.facts.model
    if model is None:
        return None
    points = [point for point in model.sweep_points if point["share"] == 1.0]
    if len(points) < 2:
        return None

    def draw() -> Any:
        figure, axes = axes_of(2.7)
        rows = [point["rows"] for point in points]
        shade(axes, rows, [p["low"] for p in points], [p["high"] for p in points], MODEL)
        shares = [100 * point["accuracy"] for point in points]
        axes.plot(rows, shares, "D-", color=MODEL, markersize=4, label="end model")
        axes.set_xscale("log")
        axes.set_xticks(rows, [f"{number:,}" for number in rows])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("program labels that it learnt from")
        axes.set_ylabel("% right")
        legend_above(axes, 1)
        return figure

    told = "; ".join(f"{point['rows']:,} rows: {point['accuracy']:.1%}" for point in points)
    return Drawing.of("sweep", "Do more program labels help?", told, draw)


def _minutes(story: Story) -> Drawing | None:
    if not story.minutes:
        return None
    parts = story.minutes

    def draw() -> Any:
        names = [part.stratum for part in parts]
        figure, axes = bars_of(names, [part.minutes for part in parts], EXPERT)
        for place, part in enumerate(parts):
            write_beside(
                axes, place, part.minutes, f"{part.minutes:,.1f} min, {part.answers} answers"
            )
        axes.set_xlabel("minutes")
        return figure

    told = "; ".join(
        f"{part.minutes:,.1f} minutes {STRATA.get(part.stratum, part.stratum)}" for part in parts
    )
    return Drawing.of("minutes", "Expert minutes, by why the rows were asked for", told, draw)


def _causes(story: Story) -> Drawing | None:
    shares = [share for share in story.manifest.diff.get("shares", ()) if share["rows"]]
    if not shares:
        return None
    shown = shares[:_MOST_BARS]
    names = [cause_name(share["cause"]) for share in shown]

    def draw() -> Any:
        rows = [share["rows"] for share in shown]
        figure, axes = bars_of(names, rows, LABELS)
        for place, share in enumerate(shown):
            write_beside(axes, place, share["rows"], f"{share['rows']:,} ({share['of_churn']:.0%})")
        axes.set_xlabel("labels changed")
        axes.xaxis.get_major_locator().set_params(integer=True)
        return figure

    told = "; ".join(f"{n}: {s['rows']} labels" for n, s in zip(names, shown, strict=True))
    return Drawing.of("causes", "What changed the labels", told, draw)


def cause_name(cause: dict[str, str]) -> str:
    """Return a cause of a changed label for people."""
    words = {
        "rows": "the rows' own content",
        "answers": "experts' answers",
        "base_rate": "another base rate",
        "refit": "label model refitted",
        "joint": "several causes together",
        "not_replayable": "not replayable",
    }
    return words.get(cause["kind"]) or f"heuristic {cause['heuristic']}"


def _base_rate(story: Story) -> Drawing:
    rate = story.base_rate
    classes = story.manifest.classes
    order = sorted(range(len(classes)), key=lambda k: -rate.mean[k])[:_MOST_BARS]
    rows = max(sum(entry.counts.labelled for entry in story.manifest.entries), 1)
    counts = [
        sum(e.counts.by_class[k] for e in story.manifest.entries if k < len(e.counts.by_class))
        for k in order
    ]

    def draw() -> Any:
        figure, axes = rows_of([classes[k] for k in order], top=0.35)
        places = range(len(order))
        means = [100 * rate.mean[k] for k in order]
        lows = [m - 100 * rate.low[k] for m, k in zip(means, order, strict=True)]
        highs = [100 * rate.high[k] - m for m, k in zip(means, order, strict=True)]
        axes.errorbar(
            means,
            places,
            xerr=[[max(v, 0) for v in lows], [max(v, 0) for v in highs]],
            fmt="o",
            color=EXPERT,
            markersize=5,
            capsize=3,
            label="data, by audits" if rate.source == "measured" else "data, assumed",
        )
        axes.plot(
            [100 * count / rows for count in counts],
            [place + 0.25 for place in places],
            "s",
            color=LABELS,
            markersize=4,
            label="labels",
        )
        axes.set_xlim(left=0)
        axes.set_xlabel("% of the rows")
        legend_above(axes, 2)
        return figure

    told = "; ".join(
        f"{classes[k]} {rate.mean[k]:.1%} ({rate.low[k]:.1%} to {rate.high[k]:.1%})" for k in order
    )
    return Drawing.of("base-rate", "How frequent each class is", told, draw)


def _slices(story: Story) -> Drawing | None:
    parts = [(n, c) for n, c in part_certificates(story.manifest) if c.estimate is not None]
    if not parts:
        return None
    worst = sorted(parts, key=lambda part: part[1].estimate or 0.0)[:_MOST_BARS]

    def draw() -> Any:
        figure, axes = rows_of([name for name, _ in worst])
        shares = [100 * (c.estimate or 0.0) for _, c in worst]
        axes.errorbar(
            shares,
            range(len(worst)),
            xerr=[
                [max(s - 100 * c.low, 0) for s, (_, c) in zip(shares, worst, strict=True)],
                [max(100 * c.high - s, 0) for s, (_, c) in zip(shares, worst, strict=True)],
            ],
            fmt="o",
            color=LABELS,
            markersize=5,
            capsize=3,
        )
        axes.axvline(100 * story.facts.target_accuracy, color=TARGET, linewidth=1, dashes=(4, 3))
        axes.set_xlim(right=101)
        axes.set_xlabel("% right, 95 % interval (dashed: target)")
        return figure

    told = "; ".join(f"{n} {c.estimate:.1%} ({c.low:.1%} to {c.high:.1%})" for n, c in worst)
    return Drawing.of("slices", "The parts of the labels, the weakest first", told, draw)


def _heuristics(story: Story) -> Drawing | None:
    if not story.worths:
        return None
    by_bar = sorted(story.worths, key=lambda worth: (-worth.changed, worth.heuristic))
    shown = by_bar[:_MOST_BARS]

    def draw() -> Any:
        names = [worth.heuristic for worth in shown]
        figure, axes = bars_of(names, [worth.changed for worth in shown], LABELS)
        for place, worth in enumerate(shown):
            told = f"{worth.changed:,}"
            if worth.precision is not None:
                told += f"; {worth.precision:.0%} of {worth.votes_audited} right"
            write_beside(axes, place, worth.changed, told)
        axes.set_xlabel("labels that only it decides")
        axes.xaxis.get_major_locator().set_params(integer=True)
        return figure

    told = "; ".join(f"{worth.heuristic}: {worth.changed} labels" for worth in shown)
    return Drawing.of("heuristics", "What only each heuristic decides", told, draw)
