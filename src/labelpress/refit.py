"""Refit or keep: whether the label model's parameters are learnt anew in this period."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from labelpress.base_rate import BaseRate
    from labelpress.label_models import Answered, LabelModel
    from labelpress.manifest import HeuristicNote

RefitPolicy = Literal["on-drift", "always", "never"]

FOLDS = 5
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
) -> RefitDecision | None:
    """
    Decide where the rules alone can: no model yet, other heuristics or classes, or the policy.

    Returns None where the evidence of this period has to decide.
    """
    if kept is None:
        return RefitDecision(refit=True, reason="first fit")
    before = {note.name: (note.fingerprint, note.quarantined) for note in kept_heuristics}
    now = {note.name: (note.fingerprint, note.quarantined) for note in heuristics}
    if list(before) != list(now) or len(kept.base_rate) != classes:
        added, removed = sorted(set(now) - set(before)), sorted(set(before) - set(now))
        if len(kept.base_rate) != classes:
            reason = f"the classes changed from {len(kept.base_rate)} to {classes}"
        elif added or removed:
            reason = "; ".join(
                f"{what} {', '.join(names)}"
                for what, names in (("added", added), ("removed", removed))
                if names
            )
        else:
            reason = "the order of the heuristics changed"
        return RefitDecision(refit=True, reason=reason)
    if policy == "always":
        return RefitDecision(refit=True, reason='refit = "always"')
    if policy == "never":
        return RefitDecision(refit=False, reason='kept: refit = "never"')
    edited = [name for name in now if now[name] != before[name]]
    if edited:
        return RefitDecision(refit=True, reason=f"edited or quarantined: {', '.join(edited)}")
    return None


def evidence_says(
    kept: LabelModel,
    base_rate: BaseRate,
    answered: Answered,
    fit: Callable[[Answered], LabelModel],
    seed: int,
) -> RefitDecision:
    """
    Decide by this period's evidence: the base rate, then a race run in the shadow.

    The race compares log losses on the teaching answers: of the kept model, and of a refit that has
    not seen the fold it is judged on. The kept model has seen the older answers, so the comparison
    favours keeping. A refit must be better by more than the standard error of the difference.
    """
    if not base_rate.assumed and not base_rate.contains(kept.base_rate):
        return RefitDecision(
            refit=True, reason="the measured base rate's interval no longer contains the one in use"
        )
    n = len(answered)
    if n < MIN_ANSWERS:
        return RefitDecision(refit=False, reason="kept: nothing has drifted")
    folds = np.random.default_rng([seed, n]).permutation(n) % FOLDS
    refitted = np.zeros(n)
    for fold in range(FOLDS):
        inside, outside = folds == fold, folds != fold
        refitted[inside] = log_loss(fit(_subset(answered, outside)), _subset(answered, inside))
    gain = log_loss(kept, answered) - refitted
    error = float(gain.std(ddof=1) / np.sqrt(n))
    mean = float(gain.mean())
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


def log_loss(model: LabelModel, answered: Answered) -> NDArray[np.float64]:
    """Return minus the log of the probability that a model gives each answer, shape (a,)."""
    probabilities = model.predict_proba(answered.votes)
    given = probabilities[np.arange(len(answered)), answered.labels]
    return np.asarray(-np.log(np.maximum(given, 1e-6)))


def _subset(answered: Answered, mask: NDArray[np.bool_]) -> Answered:
    return type(answered)(
        answered.votes[mask],
        answered.labels[mask],
        answered.propensity[mask],
        answered.audit[mask],
    )
