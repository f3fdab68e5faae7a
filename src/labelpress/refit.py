"""Refit or keep: whether the label model's parameters are learnt anew in this period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from labelpress.answer_weights import weigh_answers, weighted_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from labelpress.base_rate import BaseRate
    from labelpress.drift import Drift
    from labelpress.label_models import Answered, LabelModel
    from labelpress.manifest import HeuristicNote

RefitPolicy = Literal["on-drift", "always", "never"]

MIN_ANSWERS = 20
"""Below this many teaching answers the shadow race is not run."""


@dataclass(frozen=True, slots=True)
class RefitDecision:
    """Whether to learn the parameters anew, and why."""

    refit: bool
    reason: str


def must_refit(
    policy: RefitPolicy,
    kept: LabelModel | None,
    kept_heuristics: Sequence[HeuristicNote],
    heuristics: Sequence[HeuristicNote],
    classes: int,
    drifting: Sequence[Drift],
) -> RefitDecision | None:
    """
    Decide where no answer is needed: no model yet, other heuristics or classes, policy, drift.

    `drifting` are the heuristics whose drift the kept parameters have not seen. Returns None where
    the answers of this period have to decide.
    """
    if kept is None:
        return RefitDecision(refit=True, reason="first fit")
    does_not_fit = _does_not_fit(kept, kept_heuristics, heuristics, classes)
    if does_not_fit:
        return RefitDecision(refit=True, reason=does_not_fit)
    if policy == "always":
        return RefitDecision(refit=True, reason='refit = "always"')
    if policy == "never":
        return RefitDecision(refit=False, reason='kept: refit = "never"')
    edited = [
        now.name
        for before, now in zip(kept_heuristics, heuristics, strict=True)
        if (before.fingerprint, before.quarantined) != (now.fingerprint, now.quarantined)
    ]
    reason = f"edited or quarantined: {', '.join(edited)}" if edited else _name(drifting)
    return RefitDecision(refit=True, reason=reason) if reason else None


def _name(drifting: Sequence[Drift]) -> str:
    """Return what drifts in words, the strongest three by name; empty where nothing does."""
    more = f" And {len(drifting) - 3} more." if len(drifting) > 3 else ""
    return " ".join(drift.sentence() for drift in drifting[:3]) + more


def _does_not_fit(
    kept: LabelModel,
    kept_heuristics: Sequence[HeuristicNote],
    heuristics: Sequence[HeuristicNote],
    classes: int,
) -> str | None:
    """Say why a model cannot take this period's votes at all: other heuristics or classes."""
    if len(kept.base_rate) != classes:
        return f"the classes changed from {len(kept.base_rate)} to {classes}"
    before, now = ([note.name for note in notes] for notes in (kept_heuristics, heuristics))
    if before == now:
        return None
    changes = (("added", set(now) - set(before)), ("removed", set(before) - set(now)))
    named = [f"{what} {', '.join(sorted(names))}" for what, names in changes if names]
    return "; ".join(named) or "the order of the heuristics changed"


def evidence_says(
    kept: LabelModel,
    base_rate: BaseRate,
    answered: Answered,
    predict_unseen: Callable[[], NDArray[np.float64]],
) -> RefitDecision:
    """
    Decide by this period's evidence: the base rate, then a race run in the shadow.

    The race compares log losses on the teaching answers, weighted by inverse propensity: of the
    kept model, and of refits that have not seen the answers they are judged on. `predict_unseen`
    returns the probabilities that these give, shape (a, K); it is called only where they decide.
    The kept model has seen the older answers, so the comparison favours keeping. A refit must be
    better by more than the standard error of the difference.
    """
    if not base_rate.assumed and not base_rate.contains(kept.base_rate):
        return RefitDecision(
            refit=True, reason="the measured base rate's interval no longer contains the one in use"
        )
    n = len(answered)
    if n < MIN_ANSWERS:
        return RefitDecision(
            refit=False,
            reason=f"kept: nothing has drifted ({n} answers; trying a refit takes {MIN_ANSWERS})",
        )
    gain = _log_loss(kept.predict_proba(answered.votes), answered)
    gain -= _log_loss(predict_unseen(), answered)
    mean, error = weighted_mean(gain, weigh_answers(answered.propensity, answered.audit))
    if mean > error:
        return RefitDecision(
            refit=True,
            reason=f"a refit predicts the answers better: log loss {mean:.3f} lower, "
            f"standard error {error:.3f}, on {n} answers",
        )
    return RefitDecision(
        refit=False,
        reason=f"kept: a refit is not better beyond chance (log loss {mean:+.3f}, "
        f"standard error {error:.3f}, on {n} answers)",
    )


def _log_loss(probabilities: NDArray[np.float64], answered: Answered) -> NDArray[np.float64]:
    """Return minus the log of the probability that is given to each answer, shape (a,)."""
    given = probabilities[np.arange(len(answered)), answered.labels]
    return np.asarray(-np.log(np.maximum(given, 1e-6)))
