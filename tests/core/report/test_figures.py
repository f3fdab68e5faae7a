"""Each figure answers one question from the story, and is left out where it would be empty."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labelpress.report.figures import cause_name, drawings

SWEEP = tuple(
    {"rows": rows, "share": share, "accuracy": accuracy, "low": 0.7, "high": 0.95}
    for rows, share, accuracy in [(250, 1.0, 0.8), (1000, 1.0, 0.88), (1000, 0.5, 0.86)]
)


@pytest.fixture(name="story", scope="module")
def _story(books):
    return books.story(books.second)


def test_the_same_story_gives_the_same_bytes(story):
    """So that a report that is written again is the same file."""
    first, second = drawings(story), drawings(story)

    assert {name: one.svg for name, one in first.items()} == {
        name: one.svg for name, one in second.items()
    }


def test_the_causes_drawn_are_those_of_the_gate(books):
    """Each changed label once; what only two edits change together is said to be so."""
    story = books.story(books.held)
    diff = story.manifest.diff
    rows = {cause_name(share["cause"]): share["rows"] for share in diff["shares"]}
    churn = next(one for one in story.manifest.verdict["checks"] if one["name"] == "churn")

    assert "several causes together" in rows
    assert sum(rows.values()) == diff["changed"] > 0
    told = "; ".join(f"{name}: {count} labels" for name, count in rows.items())
    assert drawings(story)["causes"].says == told
    assert "Of all changes: " in churn["sentence"]
    assert "joint: several together" in churn["sentence"]


def test_the_first_printing_has_no_curve(books):
    """One point is no curve; the costs have a bar from the beginning."""
    figures = drawings(books.story(books.first))

    assert "learning" not in figures
    assert "cost" in figures


def test_the_sweep_is_drawn_where_there_is_one(story):
    """By rows alone: what leaving unsure labels out does is said in its sentence."""
    assert story.facts.model is not None
    model = replace(story.facts.model, sweep_points=SWEEP)
    swept = replace(story, facts=replace(story.facts, model=model))

    assert "sweep" not in drawings(story)
    assert drawings(swept)["sweep"].says == "250 rows: 80.0%; 1,000 rows: 88.0%"


def test_heuristics_stand_in_the_order_of_their_bars(story):
    """A chart that is ordered by something else than it shows is a riddle."""
    told = drawings(story)["heuristics"].says
    changed = [int(part.split(": ")[1].split()[0]) for part in told.split("; ")]

    assert len(changed) > 1
    assert changed == sorted(changed, reverse=True)


def test_many_periods_and_long_names_find_room(story):
    """Twelve periods are named every second one; a long name is shortened, not drawn over."""
    periods = tuple(
        replace(story.periods[0], period=f"2026-{month:02d}-01") for month in range(1, 13)
    )
    long = replace(story.worths[0], heuristic="a_name_that_is_far_too_long_for_a_phone")
    figures = drawings(replace(story, periods=periods, worths=(long, *story.worths[1:])))

    cost = figures["cost"].svg.decode()
    assert cost.count("-01<") == 6
    assert "a_name_that_is_far_too_…" in figures["heuristics"].svg.decode()
    assert long.heuristic in figures["heuristics"].says
