"""The three questions of whoever reads a report, answered in plain sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from labelpress.amounts import price_text, usd_text
from labelpress.certify import FEWEST_RESERVED, Certificate
from labelpress.oracle import people

if TYPE_CHECKING:
    from labelpress.report.bill import Minutes
    from labelpress.report.story import Story

Verdict = Literal["good", "open", "bad"]

STRATA = {
    "audit": "on a random sample, which measures how right the labels are",
    "anchor": "on heuristics of which little is known",
    "uncertain": "on rows whose label is unsure",
    "uncovered": "on rows without any vote",
    "changed": "on rows that a held candidate would change",
    "recheck": "on answers that look wrong, a second time",
    "other": "on other rows",
}
"""What the minutes of each stratum went into."""
_NEXT_TO_NOTHING = 0.01
"""USD below which it is no use to say who got most of it."""
_NOTABLE = 0.01
"""Share of the labels above which it is said that answers replaced them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A question, the short answer, and the sentences that bear it out."""

    question: str
    short: str
    verdict: Verdict
    sentences: tuple[str, ...]


def three_answers(story: Story) -> tuple[Answer, Answer, Answer]:
    """Return what the period cost, why, and whether the labels are good."""
    return cost_answer(story), why_answer(story), quality_answer(story)


def cost_answer(story: Story) -> Answer:
    """Say what the period cost, beside the period before and labelling by hand."""
    costs, point, fresh = story.costs, story.facts.point, story.period_rows
    answers = sum(part.answers for part in story.minutes)
    spent = (
        f"{usd_text(costs.expert_usd)} went to experts for {_count(answers, 'answer')}, "
        f"{usd_text(costs.compute_usd)} to machines."
    )
    sentences = [spent]
    if len(story.periods) > 1:
        earlier = story.periods[-2]
        sentences.append(
            f"The period before ({earlier.period}) cost {usd_text(earlier.costs.total_usd)}; all "
            f"periods so far {usd_text(story.so_far.total_usd)}."
        )
    if costs.hand_usd:
        sentences.append(
            "Labelling the new rows by hand would have cost "
            f"{usd_text(costs.hand_usd)} by the same rates (a model, not spent)."
        )
    if fresh and costs.total_usd:
        by_hand = f", {price_text(costs.hand_usd / fresh)} by hand" if costs.hand_usd else ""
        sentences.append(
            f"That is {price_text(costs.total_usd / fresh)} for each of the "
            f"{_count(fresh, 'new row')}{by_hand}."
        )
    elif not fresh and point.labelled and story.units.label is not None:
        sentences.append(
            f"No row is new; over all {point.labelled:,} labels it is "
            f"{price_text(story.units.label)} each."
        )
    return Answer("What did this period cost?", usd_text(costs.total_usd), "open", tuple(sentences))


def why_answer(story: Story) -> Answer:
    """Say what the money was for and what made it so much."""
    costs = story.costs
    manifest = story.manifest
    total = costs.total_usd
    sentences = []
    if story.minutes:
        parts = "; ".join(_spent_on(part) for part in story.minutes)
        rate = usd_text(story.facts.expert_usd_per_hour)
        if story.facts.budget:
            sentences.append(
                f"The budget of {_count(story.facts.budget, 'answer')} a period ([experts] budget) "
                "sets the sum: it is asked for whatever else happens."
            )
        sentences.append(f"An hour of an expert costs {rate}. The minutes went: {parts}.")
    else:
        sentences.append("No answer came in, so no expert was paid.")
    fresh = manifest.new_rows
    cells = manifest.cells_computed + manifest.cells_reused
    cause = [_count(fresh, "new row")] if fresh else []
    edited = edited_heuristics(story)
    cause += [f"{_count(len(edited), 'edited heuristic')} ({', '.join(edited)})"] if edited else []
    because = f" for {' and '.join(cause)}" if cause else ""
    sentences.append(
        f"Machines computed {manifest.cells_computed:,} of {cells:,} vote cells{because}"
        + (
            f"; the others were reused, which saved {usd_text(costs.saved_usd)}."
            if manifest.cells_reused
            else "."
        )
    )
    if total == 0:
        short = "Nothing was spent."
    elif total < _NEXT_TO_NOTHING:
        short = "Next to nothing was spent"
    elif costs.expert_usd >= costs.compute_usd:
        share = costs.expert_usd / total
        short = f"{_share_words(share)} of it paid experts"
    else:
        short = f"{_share_words(costs.compute_usd / total)} of it paid machines"
    return Answer("Why so much?", short, "open", tuple(sentences))


def edited_heuristics(story: Story) -> tuple[str, ...]:
    """Return the heuristics that changed since the version before, as the diff knows them."""
    shares = story.manifest.diff.get("shares", ())
    named = (share["cause"]["heuristic"] for share in shares)
    return tuple(dict.fromkeys(name for name in named if name))


def quality_answer(story: Story) -> Answer:
    """Say whether the labels are good, by audits alone, and what is not known."""
    certificate = Certificate.from_json(story.manifest.certificate)
    target = story.facts.target_accuracy
    question = "Are the labels good?"
    labelled = story.facts.point.labelled / max(story.facts.point.rows, 1)
    covered = f"{labelled:.1%} of the rows have a label."
    if certificate.estimate is None:
        return Answer(
            question,
            "Nobody knows yet",
            "open",
            ("No audit was answered, so nothing measures how many labels are right.", covered),
        )
    low, high = f"{certificate.low:.1%}", f"{certificate.high:.1%}"
    measured = (
        f"Measured on {_count(certificate.audits, 'audited row')}, weighted to stand for all: with "
        f"95 % confidence between {low} and {high} of the labels are right; the target is "
        f"{target:.1%}."
    )
    right = f"{certificate.estimate:.1%} are right"
    if certificate.standing == "too few audits":
        short, verdict = "Too few audits to say", "open"
    elif certificate.standing != "certified":
        short, verdict = f"About {right}, but that is not certified", "open"
    elif certificate.low >= target:
        short, verdict = f"Yes: {right}", "good"
    elif certificate.high < target:
        short, verdict = f"Not good enough: {right}", "bad"
    else:
        short, verdict = f"Not proven yet: about {right}", "open"
    sentences = [measured]
    if verdict == "open" and certificate.standing == "certified":
        sentences.append(
            "The interval holds the target: it takes more audits to tell on which side of it the "
            "labels are."
        )
    if certificate.standing != "certified":
        sentences.append(_uncertified(certificate))
    replaced = sum(entry.counts.by_expert for entry in story.manifest.entries)
    if replaced > _NOTABLE * story.facts.point.labelled:
        sentences.append(
            f"The figure is of what programs gave: answers replaced {replaced:,} of the labels "
            f"({replaced / story.facts.point.labelled:.1%}), so the published ones are at least as "
            "right."
        )
    sentences.append(covered)
    if story.facts.simulated:
        answered = people(str(one["name"]) for one in story.manifest.annotators)
        sentences.append(
            f"{_count(len(answered), 'person')} answered, and an oracle too (simulated)."
            if answered
            else "No person answered: an oracle did (simulated)."
        )
    return Answer(question, short, _verdict(verdict), tuple(sentences))


def _verdict(word: str) -> Verdict:
    return "good" if word == "good" else "bad" if word == "bad" else "open"


def _uncertified(certificate: Certificate) -> str:
    if certificate.standing == "too few audits":
        return f"Fewer than {FEWEST_RESERVED} reserved audits prove nothing; more are asked."
    if certificate.status == "approximate":
        return "The audits that measure it also taught the label model, so it may look too good."
    return (
        f"Only {certificate.response_rate or 0:.0%} of the audits due were answered, so this is "
        "the worst and the best case."
    )


def _spent_on(part: Minutes) -> str:
    return f"{part.minutes:,.1f} {STRATA.get(part.stratum, part.stratum)}"


def _share_words(share: float) -> str:
    if share > 0.995:
        return "Nearly all"
    return f"{share:.0%}"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
