"""The summary of a run: its figures, MLflow's names for them, and the page read first."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from labelpress.amounts import usd_text
from labelpress.annotators import Annotator
from labelpress.calibration import Calibration
from labelpress.certify import Certificate
from labelpress.labels import Change, add_counts
from labelpress.oracle import people
from labelpress.slices import LONGEST_VALUE, MOST_VALUES

if TYPE_CHECKING:
    from labelpress.classes import Classes
    from labelpress.gate import Verdict
    from labelpress.ledger import Costs
    from labelpress.manifest import Manifest
    from labelpress.report.bill import Units
    from labelpress.report.facts import RunFacts
    from labelpress.report.questions import Answer

WHERE_ASKS = "the new asks: `labelpress asks export PROJECT` writes the open ones to a file"


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in figures."""

    period: str
    printing: int
    run: str
    version: int | None
    """The label version; None where the run is held."""
    held: tuple[str, ...]
    rows: int
    coverage: float
    churn: float | None
    certificate: Certificate
    parts: tuple[tuple[str, Certificate], ...]
    """Certificates of parts of the labels, each with what the part is."""
    crowded: tuple[str, ...]
    """Declared attributes that give no slices, for they have too many values."""
    calibration: Calibration | None
    annotators: tuple[Annotator, ...]
    conflict: float
    simulated: bool
    """Whether an oracle answered in the experts' place."""
    model_accuracy: float | None
    model_f1: float | None
    model_log_loss: float | None
    model_role: str
    cells_computed: int
    cells_reused: int
    rows_per_second: float | None
    asks: int
    stale_answers: int
    costs: Costs
    cumulative_usd: float
    stopping: str = ""
    """How far the labels are from the target accuracy, and what that means for the asks."""
    warnings: tuple[str, ...] = ()
    """Sentences about the label model: heuristics that drift, fits that did not converge."""

    @property
    def reused_share(self) -> float:
        """Share of the cells that did not have to be computed."""
        return self.cells_reused / max(self.cells_computed + self.cells_reused, 1)


def summarise(
    manifest: Manifest, classes: Classes, facts: RunFacts, costs: Costs, cumulative_usd: float
) -> Summary:
    """Put the figures of a run together."""
    counts = add_counts([entry.counts for entry in manifest.entries], classes)
    change = sum((entry.change for entry in manifest.entries), Change())
    model = facts.model
    speed = manifest.rows_cast / manifest.votes_seconds if manifest.votes_seconds else None
    return Summary(
        period=manifest.period,
        printing=manifest.printing,
        run=manifest.run,
        version=facts.version,
        held=facts.held,
        rows=counts.rows,
        coverage=counts.labelled / max(counts.rows, 1),
        churn=change.churn,
        certificate=Certificate.from_json(manifest.certificate),
        parts=part_certificates(manifest),
        crowded=counts.crowded,
        annotators=tuple(Annotator(**one) for one in manifest.annotators),
        calibration=Calibration.from_json(manifest.calibration) if manifest.calibration else None,
        conflict=manifest.conflict,
        simulated=facts.simulated,
        model_accuracy=model.accuracy if model else None,
        model_f1=model.f1 if model else None,
        model_log_loss=model.log_loss if model else None,
        model_role=model.role if model else "",
        cells_computed=manifest.cells_computed,
        cells_reused=manifest.cells_reused,
        rows_per_second=speed if manifest.cells_computed else None,
        asks=facts.asks,
        stale_answers=manifest.stale_answers,
        costs=costs,
        cumulative_usd=cumulative_usd,
        stopping=facts.stopping,
        warnings=_warnings(manifest),
    )


def _warnings(manifest: Manifest) -> tuple[str, ...]:
    """Say which heuristics drift, and which fits did not converge."""
    iterations = manifest.label_model.get("diagnostics", {}).get("convergence", {})
    return (
        *(drift.sentence() for drift in manifest.drifting),
        *manifest.restated.get("sentences", ()),
        *(
            f"The label model's fit ({name}) did not converge: it stopped after "
            f"{iterations[name]['iterations']} iterations."
            for name in manifest.unconverged
        ),
    )


def part_certificates(manifest: Manifest) -> tuple[tuple[str, Certificate], ...]:
    """Return the certificates of classes and slices, each with a name for people."""
    labels = manifest.certificates.get("labels", {})
    named = {f"labelled {name}": one for name, one in labels.items()}
    named |= manifest.certificates.get("slices", {})
    return tuple((name, Certificate.from_json(one)) for name, one in named.items())


def metrics(summary: Summary, manifest: Manifest) -> dict[str, float | None]:
    """Return the metrics of an MLflow run; None where a figure is unknown."""
    certificate, costs = summary.certificate, summary.costs
    figures: dict[str, float | None] = {
        "labels.coverage": summary.coverage,
        "labels.conflict": summary.conflict,
        "labels.churn": summary.churn,
        "labels.accuracy": certificate.estimate,
        "labels.accuracy_low": certificate.low if certificate.estimate is not None else None,
        "labels.accuracy_high": certificate.high if certificate.estimate is not None else None,
        "labels.calibration_error": summary.calibration.error if summary.calibration else None,
        "labels.rows": float(summary.rows),
        "model.accuracy": summary.model_accuracy,
        "model.f1": summary.model_f1,
        "model.log_loss": summary.model_log_loss,
        "votes.cells_computed": float(summary.cells_computed),
        "votes.cells_reused": float(summary.cells_reused),
        "votes.rows_per_second": summary.rows_per_second,
        "votes.drifting": float(len(manifest.drifting)),
    }
    figures |= cost_metrics(costs, summary.cumulative_usd)
    lifts = {lift["heuristic"]: lift for lift in manifest.lifts}
    drift = {found.heuristic: found.score for found in manifest.drift}
    for stats in manifest.statistics:
        name = stats["name"]
        lift = lifts.get(name, {})
        figures[f"heuristic.{name}.coverage"] = stats["coverage"]
        figures[f"heuristic.{name}.seconds"] = stats["seconds"]
        figures[f"heuristic.{name}.accuracy"] = lift.get("precision")
        figures[f"heuristic.{name}.lift"] = lift.get("lift")
        figures[f"heuristic.{name}.drift"] = drift.get(name)
    return figures


def cost_metrics(costs: Costs, cumulative_usd: float) -> dict[str, float]:
    """Return the cost metrics of a period."""
    return {
        "cost.total_usd": costs.total_usd,
        "cost.expert_usd": costs.expert_usd,
        "cost.compute_usd": costs.compute_usd,
        "cost.saved_usd": costs.saved_usd,
        "cost.hand_usd": costs.hand_usd,
        "cost.cumulative_usd": cumulative_usd,
    }


def unit_metrics(units: Units, units_so_far: Units) -> dict[str, float | None]:
    """Return what labels, answers and points of accuracy cost; None where that is unknown."""
    return {
        f"cost.{so_far}per_{name}_usd": getattr(found, name)
        for so_far, found in (("", units), ("cumulative_", units_so_far))
        for name in ("label", "answer", "point")
    }


def headline(summary: Summary) -> str:
    """Return the verdict in one sentence."""
    if summary.version is None:
        return f"Held: {summary.held[0]}"
    return (
        f"Published label version {summary.version} for period {summary.period} "
        f"(printing {summary.printing})."
    )


def accuracy_text(certificate: Certificate) -> str:
    """
    Return an accuracy interval in words, its standing first.

    `certified` is said of the interval, not of the labels: a wide one is called wide, and one from
    fewer than 10 audits is never called certified.
    """
    if certificate.estimate is None:
        return f"{certificate.standing}: no audit was answered"
    audits = f"{certificate.audits} audit{'' if certificate.audits == 1 else 's'}"
    match certificate.status:
        case "approximate":
            source = f"cross-fitted on {audits} that also taught"
        case "not certified":
            source = f"the worst and the best case: only {certificate.response_rate:.0%} answered"
        case _:
            source = f"from {audits}"
    wide = ": wide" if certificate.wide else ""
    interval = f"{100 * certificate.low:.1f} to {100 * certificate.high:.1f}"
    return f"{certificate.standing}: {certificate.estimate:.1%} ({interval}, {source}{wide})"


def calibration_text(calibration: Calibration | None) -> str:
    """Return how far probabilities are from how often they are right, in words."""
    if calibration is None or calibration.error is None or calibration.by_chance is None:
        return "unknown: no audit was answered"
    source = "audits" if calibration.reserved else "cross-fitted answers"
    return (
        f"{100 * calibration.error:.1f} points on {calibration.audits} {source} "
        f"({100 * calibration.by_chance:.1f} would be chance)"
    )


def crowded_text(attribute: str) -> str:
    """Say why an attribute gives no slices, and what to do."""
    return (
        f"{attribute} has more than {MOST_VALUES} values, or one of more than {LONGEST_VALUE} "
        "characters, so it gives no slices; group them by conditions in [slices] where."
    )


def markdown(
    summary: Summary, verdict: Verdict, refit: str, answers: tuple[Answer, ...] = ()
) -> str:
    """Return the summary artifact of a run, the verdict first; text from the source is escaped."""
    costs = summary.costs
    too = "experts and " if people(one.name for one in summary.annotators) else ""
    expert = f"{too}an oracle, simulated" if summary.simulated else "experts"
    parts = f"experts {usd_text(costs.expert_usd)}, compute {usd_text(costs.compute_usd)}"
    lines = [
        f"## {_safe(headline(summary))}",
        "",
        *[f"- {_safe(sentence)}" for sentence in (*summary.held, *summary.warnings)],
        "",
        *(
            f"**{answer.question}** {_safe(' '.join((_stop(answer.short), *answer.sentences)))}\n"
            for answer in answers
        ),
        "| | |",
        "|---|---|",
        f"| rows | {summary.rows:,} |",
        f"| coverage | {summary.coverage:.1%} |",
        f"| accuracy of the labels | {accuracy_text(summary.certificate)} |",
        f"| calibration error | {calibration_text(summary.calibration)} |",
        f"| churn | {_share(summary.churn)} |",
        f"| end model | {_share(summary.model_accuracy)}, {summary.model_role or 'not trained'} |",
        f"| cells computed / reused | {summary.cells_computed} / {summary.cells_reused} |",
        f"| new asks to experts | {summary.asks} |",
        f"| answers that no longer match their row | {summary.stale_answers} |",
        f"| cost of this period | {usd_text(costs.total_usd)} ({parts}) |",
        f"| hand-labelling the new rows | {usd_text(costs.hand_usd)} (modelled) |",
        f"| cost so far | {usd_text(summary.cumulative_usd)} |",
        "",
        # Prefect's page cuts long cells of a table: sentences stand below it.
        f"- label model: {_safe(refit)}",
        f"- answers by {expert}",
        f"- asking: {_safe(summary.stopping) or 'unknown'}",
        *([f"- {WHERE_ASKS}"] if summary.asks else []),
        "",
        "| part of the labels | accuracy |",
        "|---|---|",
        *[f"| {_safe(name)} | {accuracy_text(one)} |" for name, one in summary.parts],
        *[f"\n{_safe(crowded_text(name))}" for name in summary.crowded],
        *_annotators(summary.annotators),
        "",
        *[f"- {_safe(c.name)}: **{c.outcome}**. {_safe(c.sentence)}" for c in verdict.checks],
    ]
    return "\n".join(lines)


def _annotators(annotators: tuple[Annotator, ...]) -> list[str]:
    """Return a table of the annotators where there are several."""
    if len(annotators) < 2:
        return []
    return [
        "",
        "| annotator | answers | shared | agree with what counts | right (estimated) |",
        "|---|---|---|---|---|",
        *[
            f"| {_safe(one.name)} | {one.answers} | {one.shared} | {_share(one.agreement)} "
            f"| {_share(one.accuracy)} |"
            for one in annotators
        ],
    ]


def _stop(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"


def _safe(text: str) -> str:
    """Escape what Markdown or HTML would take for its own."""
    escaped = escape(text, quote=False)
    for sign in "\\`*_~[]|":
        escaped = escaped.replace(sign, f"\\{sign}")
    return escaped.replace("\n", " ")
