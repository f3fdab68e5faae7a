"""A fitted label model: a prediction rule with everything a person asks about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labelpress.errors import LabelpressError
from labelpress.label_models.contract import Lift
from labelpress.label_models.rules import Rule, predict_blocks, rule_from_json
from labelpress.label_models.vote_checks import checked_votes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.label_models.contract import Floats, VoteMatrix

FORMAT = 1
"""Version of the JSON; a reader refuses a newer one."""

_SURE = 1e-12
"""Probabilities are kept this far from 0 and 1 where log-odds are taken."""


@dataclass(frozen=True, slots=True)
class FittedModel:
    """The one kind of `LabelModel` there is; estimators differ in the rule they fit."""

    name: str
    heuristics: tuple[str, ...]
    base_rate: Floats
    rule: Rule
    lifts: tuple[Lift, ...]
    diagnostics: Mapping[str, Any]

    def predict_proba(self, votes: VoteMatrix) -> Floats:
        """
        Return class probabilities, shape (n, K); a row's bits do not depend on other rows.

        Raises `LabelpressError` where `votes` has other columns or classes than the fit had.
        """
        classes = len(self.base_rate)
        return predict_blocks(self.rule, checked_votes(votes, classes, self.heuristics), classes)

    def contributions(self, votes: VoteMatrix) -> Floats:
        """
        Return the log-odds each vote adds to each class, shape (n, m, K); 0 for an abstain.

        That is log p / (1 - p) of the class minus the same without the vote. It takes m + 1
        predictions: meant for the few rows that somebody asks about.
        """
        matrix = checked_votes(votes, len(self.base_rate), self.heuristics)
        full = _log_odds(self.rule.predict(matrix))
        added = np.zeros((*matrix.shape, len(self.base_rate)))
        for heuristic in range(matrix.shape[1]):
            rows = np.flatnonzero(matrix[:, heuristic] >= 0)
            without = matrix[rows].copy()
            without[:, heuristic] = -1
            added[rows, heuristic] = full[rows] - _log_odds(self.rule.predict(without))
        return added

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON for `from_json`; floats survive to the last bit."""
        return {
            "format": FORMAT,
            "name": self.name,
            "heuristics": list(self.heuristics),
            "base_rate": self.base_rate.tolist(),
            "rule": self.rule.to_json(),
            "lifts": [
                {
                    "heuristic": lift.heuristic,
                    "votes": lift.votes,
                    "answered": lift.answered,
                    "precision": lift.precision,
                    "lift": lift.lift,
                    "source": lift.source,
                }
                for lift in self.lifts
            ],
            "diagnostics": dict(self.diagnostics),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> FittedModel:
        """Read what `to_json` wrote; raises `LabelpressError` on damaged or newer JSON."""
        if data.get("format") != FORMAT:
            raise LabelpressError(
                f"label model JSON: format {data.get('format')!r}, this labelpress reads "
                f"{FORMAT}; use the labelpress version that wrote it, or fit again."
            )
        try:
            return FittedModel(
                name=str(data["name"]),
                heuristics=tuple(data["heuristics"]),
                base_rate=np.array(data["base_rate"], dtype=np.float64),
                rule=rule_from_json(data["rule"]),
                lifts=tuple(Lift(**lift) for lift in data["lifts"]),
                diagnostics=dict(data["diagnostics"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LabelpressError(
                f"label model JSON is damaged: {type(error).__name__}: {error}. Fit again."
            ) from error


def _log_odds(probability: Floats) -> Floats:
    """Return log p / (1 - p) with p kept away from 0 and 1."""
    kept = np.clip(probability, _SURE, 1 - _SURE)
    return np.asarray(np.log(kept) - np.log1p(-kept))
