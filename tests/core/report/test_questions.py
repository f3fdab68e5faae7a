"""What it cost, why, and whether the labels are good: in words that do not promise too much."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labelpress.amounts import price_text, usd_text
from labelpress.annotators import Annotator
from labelpress.report.bill import quantity_text, units_of_period, units_so_far, why_no_point
from labelpress.report.facts import Point
from labelpress.report.questions import cost_answer, quality_answer, why_answer


def judged(story, estimate, low, high, status="certified", audits=50, target=0.95):
    """Return the answer about quality for a certificate."""
    certificate = {
        **story.manifest.certificate,
        "estimate": estimate,
        "low": low,
        "high": high,
        "status": status,
        "audits": audits,
        "response_rate": 0.6 if status == "not certified" else 1.0,
    }
    manifest = story.manifest.with_(certificate=certificate)
    facts = replace(story.facts, target_accuracy=target)
    return quality_answer(replace(story, manifest=manifest, facts=facts))


@pytest.fixture(name="story", scope="module")
def _story(books):
    return books.story(books.second)


@pytest.mark.parametrize(
    ("estimate", "low", "high", "short", "verdict"),
    [
        (0.98, 0.96, 0.99, "Yes: 98.0% are right", "good"),
        (0.90, 0.86, 0.93, "Not good enough: 90.0% are right", "bad"),
        (0.94, 0.88, 0.98, "Not proven yet: about 94.0% are right", "open"),
        (None, 0.0, 1.0, "Nobody knows yet", "open"),
    ],
)
def test_good_is_said_only_above_the_target(story, estimate, low, high, short, verdict):
    """By the interval's lower end; what holds the target is open, not good."""
    answer = judged(story, estimate, low, high)

    assert (answer.short, answer.verdict) == (short, verdict)


@pytest.mark.parametrize(
    ("status", "why"),
    [("approximate", "also taught the label model"), ("not certified", "Only 60% of the audits")],
)
def test_what_is_not_certified_is_never_good(story, status, why):
    """However high the figure is."""
    answer = judged(story, 0.99, 0.98, 1.0, status)

    assert answer.verdict == "open"
    assert "not certified" in answer.short
    assert any(why in sentence for sentence in answer.sentences)


@pytest.mark.parametrize(("audits", "few"), [(1, True), (9, True), (10, False)])
def test_a_handful_of_audits_proves_nothing(story, audits, few):
    """One audit that is right is 100 %, and no reason to trust a label."""
    answer = judged(story, 1.0, 0.96, 1.0, audits=audits)

    assert (answer.short == "Too few audits to say") == few
    assert (answer.verdict == "open") == few


@pytest.mark.parametrize(("replaced", "said"), [(0, False), (2, False), (3, True), (60, True)])
def test_labels_that_answers_replaced_are_said_to_be_better_than_the_figure(story, replaced, said):
    """The audits are never mended, so the figure is of what programs gave; below 1 % who cares."""
    first, *rest = story.manifest.entries
    counts = [replace(entry.counts, by_expert=0) for entry in rest]
    entries = (
        replace(first, counts=replace(first.counts, by_expert=replaced)),
        *(replace(entry, counts=count) for entry, count in zip(rest, counts, strict=True)),
    )
    facts = replace(story.facts, point=replace(story.facts.point, labelled=250))
    shown = replace(story, manifest=story.manifest.with_(entries=entries), facts=facts)
    told = [one for one in quality_answer(shown).sentences if "what programs gave" in one]

    assert bool(told) == said
    assert all(f"replaced {replaced} of the labels" in one for one in told)


def test_a_simulated_expert_is_said(story):
    """The oracle is no person."""
    assert any("oracle" in sentence for sentence in quality_answer(story).sentences)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "No person answered"),
        (("oracle",), "No person answered"),
        (("anna", "oracle"), "1 person answered, and an oracle too"),
        (("anna", "ben", "oracle"), "2 persons answered, and an oracle too"),
    ],
)
def test_a_person_who_answered_beside_an_oracle_is_not_passed_over(story, names, said):
    """Whoever reads the verdict knows that it rests on both."""
    annotators = tuple(Annotator(name, 3, 0, None, None).to_json() for name in names)
    both = replace(story, manifest=story.manifest.with_(annotators=annotators))

    assert any(said in sentence for sentence in quality_answer(both).sentences)


def test_the_cost_stands_beside_the_period_before_and_the_hand(story):
    """Each amount as the ledger has it."""
    answer = cost_answer(story)
    told = " ".join(answer.sentences)

    assert answer.short == usd_text(story.costs.total_usd)
    assert f"(2026-03-02) cost {usd_text(story.periods[0].costs.total_usd)}" in told
    assert usd_text(story.so_far.total_usd) in told
    assert usd_text(story.costs.hand_usd) in told
    rows = story.period_rows
    assert rows == 4
    assert f"{price_text(story.costs.total_usd / rows)} for each of the 4 new rows" in told
    assert f"{price_text(story.costs.hand_usd / rows)} by hand" in told
    assert f"experts for {sum(part.answers for part in story.minutes)} answers" in told


def test_the_why_names_minutes_cells_and_edits(story):
    """Where the minutes went, how many cells were computed, and for which reason."""
    told = " ".join(why_answer(story).sentences)

    assert "on a random sample" in told
    assert f"The budget of {story.facts.budget} answers a period" in told
    assert f"Machines computed {story.manifest.cells_computed} of 16 vote cells" in told
    assert "for 4 new rows" in told
    assert "the others were reused" in told


def test_where_machines_cost_more_that_is_said(story):
    """The larger share names the short answer."""
    period = story.periods[-1]
    costs = replace(period.costs, expert_usd=1.0, compute_usd=3.0)
    dear = replace(story, periods=(*story.periods[:-1], replace(period, costs=costs)))

    assert why_answer(dear).short == "75% of it paid machines"


def test_next_to_nothing_paid_nobody_worth_naming(story):
    """Less than a cent has no shares."""
    costs = replace(story.periods[-1].costs, expert_usd=0.0, compute_usd=0.004)
    period = replace(story.periods[-1], costs=costs)
    cheap = replace(story, periods=(*story.periods[:-1], period), minutes=())

    answer = why_answer(cheap)

    assert answer.short == "Next to nothing was spent"
    assert "No answer came in, so no expert was paid." in answer.sentences


@pytest.mark.parametrize(
    ("quantity", "unit", "text"),
    [
        (90.0, "s", "1.5 core minutes"),
        (7200.0, "s", "2.0 core hours"),
        (3.7, "s", "3.7 core seconds"),
        (40.0, "min", "40.0 minutes"),
        (1536.0, "B", "1.5 KiB"),
        (3 * 2**30, "B", "3.0 GiB"),
        (7.0, "calls", "7 calls"),
    ],
)
def test_quantities_are_in_the_unit_people_would_choose(quantity, unit, text):
    """Not in bytes and seconds."""
    assert quantity_text(quantity, unit) == text


def point(accuracy, labelled=200):
    """Return a printing of 250 rows, half of them of one class."""
    return Point("2026-03-09", 1, 250, labelled, accuracy, 0.8, 1.0, 30, 60, 0.5, None)


def test_a_label_an_answer_and_a_point_have_their_price(story):
    """In a period: over what was gained since; so far: above calling all rows one class."""
    costs = replace(story.costs, expert_usd=30.0, compute_usd=10.0)

    now = units_of_period(costs, 20.0, point(0.92), point(0.90))
    so_far = units_so_far(costs, 20.0, point(0.92))

    assert (now.label, now.answer, now.point) == pytest.approx((0.2, 1.5, 20.0))
    assert so_far.point == pytest.approx(40 / 42)


@pytest.mark.parametrize("before", [None, point(0.95), point(0.92), point(None)])
def test_a_point_that_was_not_gained_has_no_price(story, before):
    """Neither infinite nor negative."""
    assert units_of_period(story.costs, 0.0, point(0.92), before).point is None
    assert units_of_period(story.costs, 0.0, point(0.92), before).answer is None


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (None, "unknown: no printing before"),
        (point(None), "unknown: no audits"),
        (point(0.95), "none: no gain measured"),
    ],
)
def test_why_a_point_has_no_price_is_said(before, why):
    """`Unknown` alone would be a riddle."""
    assert why_no_point(point(0.92), before) == why
