"""The gate: named checks that a candidate must pass before consumers may see it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from labelpress.diff.causes import CauseKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labelpress.certify import Certificate
    from labelpress.diff.versions import Share as CauseShare
    from labelpress.surface import Surface

Outcome = Literal["pass", "fail", "unknown"]
Share = Annotated[float, Field(ge=0, le=1)]


class GateSettings(BaseModel):
    """The `[gate]` table of project.toml; shares are between 0 and 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_churn: Share = 0.05
    """Share of rows in both versions whose label may change; rows with a new answer not counted."""
    max_cause_churn: dict[CauseKind, Share] = Field(default_factory=dict)
    """The same for one cause of it; `heuristic` is for each edit by itself."""
    max_accuracy_drop: Share = 0.01
    """How far the accuracy may fall, on the audits that both versions labelled."""
    max_gone_rows: Share = 0.01
    """Share of the published rows that may vanish from the source."""
    max_coverage_drop: Share = 0.05
    """How far the share of labelled rows may fall."""
    max_balance_gap: Share = 0.10
    """How far a class's share of the labels may lie outside the base rate's interval."""
    max_fault_rate: Share = 0.01
    """Share of the rows on which a heuristic may raise before it is quarantined."""
    allow_quarantined: tuple[str, ...] = ()
    """Heuristics whose quarantine does not hold the run."""
    max_slice_gap: Share | None = None
    """How far the accuracy of a declared slice may lie below that of all labels."""
    max_opaque_share: Share | None = None
    """Share of the labels that may rest on models, vendor columns and oracles."""
    on_unknown: Literal["pass", "fail"] = "pass"
    """What a check that cannot be decided counts as."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the gate and how it came out."""

    name: str
    value: float | None
    limit: float | None
    outcome: Outcome
    sentence: str
    """What a person reads."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks together."""

    checks: tuple[Check, ...]
    passed: bool

    @property
    def reasons(self) -> tuple[str, ...]:
        """The sentences of the checks that failed."""
        return tuple(check.sentence for check in self.checks if check.outcome == "fail")

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """Return the verdict that `to_json` wrote."""
        return cls(tuple(Check(**check) for check in data["checks"]), data["passed"])


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gate judges a candidate by; None where nothing is known."""

    rows: int
    labelled: int
    class_shares: tuple[float, ...]
    """Of the labelled rows."""
    base_rate_low: tuple[float, ...] | None
    base_rate_high: tuple[float, ...] | None
    """The measured interval of each class; None where the base rate is only assumed."""
    class_names: tuple[str, ...]
    quarantined: Mapping[str, str]
    """Heuristics that abstain everywhere in this run, with the reason."""
    base_coverage: float | None
    """Coverage of the published version; None before the first printing."""
    common_rows: int
    """Rows in both versions."""
    changed_rows: int
    """Of those, rows whose label differs without a new answer."""
    base_rows: int
    gone_rows: int
    paired_audits: int
    """Audit answers for rows that both versions label."""
    paired_gain: float | None
    """Mean of (right now - right before) over those."""
    paired_error: float | None
    """Its standard error."""
    causes: tuple[CauseShare, ...] | None = ()
    """What caused the churn; None where that could not be told."""
    surface: Surface | None = None
    overall: Certificate | None = None
    slices: Mapping[str, Certificate] = field(default_factory=dict)
    """The accuracy of each declared slice."""


def judge(evidence: Evidence, settings: GateSettings) -> Verdict:
    """Decide whether a candidate may be published."""
    checks = (
        _accuracy(evidence, settings),
        _churn(evidence, settings),
        *_causes(evidence, settings),
        _balance(evidence, settings),
        _coverage(evidence, settings),
        _gone(evidence, settings),
        _faults(evidence, settings),
        *_slices(evidence, settings),
        *_opaque(evidence, settings),
    )
    tolerated = settings.on_unknown == "pass"
    passed = all(c.outcome == "pass" or (c.outcome == "unknown" and tolerated) for c in checks)
    return Verdict(checks, passed)


def _limited(name: str, value: float, limit: float, sentence: str) -> Check:
    return Check(name, value, limit, "pass" if value <= limit else "fail", sentence)


MIN_SLICE_AUDITS = 10
"""Below this many audits in a slice, its accuracy is not judged."""

MIN_PAIRED_AUDITS = 20
"""Below this many audits that both versions labelled, an accuracy change is not judged."""


def _accuracy(evidence: Evidence, settings: GateSettings) -> Check:
    name, limit = "accuracy", settings.max_accuracy_drop
    gain, error = evidence.paired_gain, evidence.paired_error
    if gain is None or error is None or evidence.paired_audits < MIN_PAIRED_AUDITS:
        reason = (
            f"Accuracy change is unknown: {evidence.paired_audits} audits judge both versions, "
            f"{MIN_PAIRED_AUDITS} are needed."
        )
        return Check(name, None, limit, "unknown", reason)
    drop = -gain
    # A fall counts when it is beyond the limit and beyond chance (one-sided 95 %).
    failed = drop > limit and drop - 1.645 * error > 0
    sentence = (
        f"On the same {evidence.paired_audits} audited rows, which both versions label, accuracy "
        f"changed by {gain:+.1%} (standard error {error:.1%}); a fall of {limit:.1%} is allowed."
    )
    return Check(name, drop, limit, "fail" if failed else "pass", sentence)


def _churn(evidence: Evidence, settings: GateSettings) -> Check:
    if evidence.common_rows == 0:
        return Check(
            "churn", None, settings.max_churn, "pass", "Nothing was published before: no churn."
        )
    churn = evidence.changed_rows / evidence.common_rows
    sentence = (
        f"{evidence.changed_rows} of {evidence.common_rows} known rows would change their label "
        f"without a new answer ({churn:.1%}; {settings.max_churn:.1%} is allowed)."
        f"{_largest_causes(evidence)}"
    )
    return _limited("churn", churn, settings.max_churn, sentence)


def _largest_causes(evidence: Evidence) -> str:
    """Say what most of the changes come from; empty where there are none."""
    named = [f"{one.cause} {one.of_churn:.0%}" for one in (evidence.causes or ())[:3]]
    return f" Of all changes: {', '.join(named)}." if named else ""


def _causes(evidence: Evidence, settings: GateSettings) -> Sequence[Check]:
    """Hold each cause of churn that has a limit to it; the largest of its kind counts."""
    checks = []
    for kind, limit in settings.max_cause_churn.items():
        name = f"churn by {kind}"
        if evidence.causes is None:
            sentence = f"What caused the churn is unknown, so its limit for {kind} is not checked."
            checks.append(Check(name, None, limit, "unknown", sentence))
            continue
        mine = [share for share in evidence.causes if share.cause.kind == kind]
        worst = max(mine, key=lambda share: share.churn, default=None)
        if worst is None:
            checks.append(Check(name, 0.0, limit, "pass", f"No label changed by {kind}."))
            continue
        sentence = (
            f"{worst.rows} known rows would change their label by one cause, {worst.cause} "
            f"({worst.churn:.1%}; {limit:.1%} is allowed)."
        )
        checks.append(_limited(name, worst.churn, limit, sentence))
    return checks


def _opaque(evidence: Evidence, settings: GateSettings) -> Sequence[Check]:
    """Hold the share of labels that nobody can read the reasons of to its limit, if it has one."""
    limit, surface = settings.max_opaque_share, evidence.surface
    if limit is None:
        return ()
    if surface is None or surface.opaque_share is None:
        sentence = "The share of labels on what cannot be read is unknown: no votes are kept."
        return (Check("opaque share", None, limit, "unknown", sentence),)
    sentence = f"{surface.sentence()} {limit:.1%} is allowed."
    return (_limited("opaque share", surface.opaque_share, limit, sentence),)


def _slices(evidence: Evidence, settings: GateSettings) -> Sequence[Check]:
    """Compare the accuracy of each slice with that of all labels, where that has a limit."""
    limit, overall = settings.max_slice_gap, evidence.overall
    if limit is None:
        return ()
    checks = []
    for slice_name, found in evidence.slices.items():
        name = f"slice {slice_name}"
        if (
            overall is None
            or overall.estimate is None
            or found.estimate is None
            or found.audits < MIN_SLICE_AUDITS
        ):
            sentence = (
                f"The accuracy of the slice {slice_name} is unknown: {found.audits} audits judge "
                f"it, {MIN_SLICE_AUDITS} are needed."
            )
            checks.append(Check(name, None, limit, "unknown", sentence))
            continue
        gap = overall.estimate - found.estimate
        # A gap counts when it is beyond the limit and beyond chance (the slice's 95 % interval).
        failed = gap > limit and found.high < overall.estimate
        sentence = (
            f"{found.estimate:.1%} of the labels in the slice {slice_name} are right "
            f"({found.low:.1%} to {found.high:.1%}, {found.audits} audits), {overall.estimate:.1%} "
            f"of all; a gap of {limit:.1%} is allowed."
        )
        checks.append(Check(name, gap, limit, "fail" if failed else "pass", sentence))
    return checks


def _balance(evidence: Evidence, settings: GateSettings) -> Check:
    name, limit = "class balance", settings.max_balance_gap
    low, high = evidence.base_rate_low, evidence.base_rate_high
    if low is None or high is None or evidence.labelled == 0:
        return Check(
            name,
            None,
            limit,
            "unknown",
            "Class balance is unknown: the base rate is assumed, not measured.",
        )
    gaps = [
        max(lower - share, share - upper, 0.0)
        for share, lower, upper in zip(evidence.class_shares, low, high, strict=True)
    ]
    worst = max(range(len(gaps)), key=gaps.__getitem__)
    sentence = (
        f"{evidence.class_names[worst]!r} is {evidence.class_shares[worst]:.1%} of the labels; its "
        f"measured base rate is {low[worst]:.1%} to {high[worst]:.1%} "
        f"({gaps[worst]:.1%} outside; {limit:.1%} is allowed)."
    )
    return _limited(name, gaps[worst], limit, sentence)


def _coverage(evidence: Evidence, settings: GateSettings) -> Check:
    coverage = evidence.labelled / evidence.rows if evidence.rows else 0.0
    if coverage == 0:
        return Check("coverage", 0.0, None, "fail", "No row has a label: no heuristic votes.")
    if evidence.base_coverage is None:
        sentence = f"{coverage:.1%} of the rows have a label."
        return Check("coverage", 0.0, settings.max_coverage_drop, "pass", sentence)
    drop = evidence.base_coverage - coverage
    sentence = (
        f"{coverage:.1%} of the rows have a label, {evidence.base_coverage:.1%} before "
        f"(a fall of {settings.max_coverage_drop:.1%} is allowed)."
    )
    return _limited("coverage", drop, settings.max_coverage_drop, sentence)


def _gone(evidence: Evidence, settings: GateSettings) -> Check:
    share = evidence.gone_rows / evidence.base_rows if evidence.base_rows else 0.0
    sentence = (
        f"{evidence.gone_rows} published rows are gone from the source "
        f"({share:.1%}; {settings.max_gone_rows:.1%} is allowed)."
    )
    return _limited("gone rows", share, settings.max_gone_rows, sentence)


def _faults(evidence: Evidence, settings: GateSettings) -> Check:
    refused = {
        name: reason
        for name, reason in evidence.quarantined.items()
        if name not in settings.allow_quarantined
    }
    if not evidence.quarantined:
        sentence = "No heuristic is quarantined."
    elif not refused:
        names = ", ".join(evidence.quarantined)
        sentence = f"Quarantined, as [gate] allow_quarantined allows: {names}."
    else:
        named = "; ".join(f"{name} ({reason})" for name, reason in refused.items())
        sentence = f"Quarantined: {named}. Mend it, or name it in [gate] allow_quarantined."
    return _limited("faults", float(len(refused)), 0.0, sentence)
