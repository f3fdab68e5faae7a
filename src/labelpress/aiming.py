"""Aiming: which share of the asks goes to rows chosen for what they are, by what asking found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.label_models import LabelModel
    from labelpress.label_models.contract import VoteMatrix

AIMED: Final = 0.5
"""At most so many of the asks that teach; margins alone mislead, so the rest is drawn at random."""


@dataclass(frozen=True, slots=True)
class Found:
    """What asking some kind of row has found until now."""

    answers: int = 0
    mistakes: int = 0
    """Answers that name another class than the label model."""

    @property
    def rate(self) -> float:
        """The probability that the next answer finds a mistake (Laplace's rule of succession)."""
        return (self.mistakes + 1) / (self.answers + 2)


def find_mistakes(answers: pl.DataFrame, votes: VoteMatrix, model: LabelModel) -> dict[str, Found]:
    """
    Count by stratum what the teaching answers found.

    `answers` has the columns code, stratum and reserved, `votes` is of shape (a, m). Audits of rows
    without votes tell of uncovered rows too: they are drawn from them as these are.
    """
    if answers.height == 0:
        return {}
    uncovered = (votes == -1).all(axis=1)
    said = pl.Series("said", model.predict_proba(votes).argmax(axis=1))
    told = answers.select("stratum", "reserved", mistake=pl.col("code") != said, bare=uncovered)
    told = told.filter(~pl.col("reserved"))
    kinds = {str(name): rows for (name,), rows in told.group_by("stratum")}
    drawn = pl.col("stratum").is_in(["audit", "uncovered"])
    kinds["uncovered"] = told.filter(pl.col("bare") & drawn)
    return {name: Found(rows.height, int(rows["mistake"].sum())) for name, rows in kinds.items()}


def aim(found: Mapping[str, Found]) -> dict[str, float]:
    """
    Return the share of the asks for each of anchor, uncovered and uncertain; the rest are audits.

    Aiming pays where mistakes are rare: every other row at a border is wrong at most, so it finds
    them up to 1 / (2 a) times as often as drawing at random does, whose rate is a. So of the most
    that may be aimed, 1 - 2 a is: nothing where every other label is wrong anyhow or nothing is
    known yet. It is dealt to the strata by how much more often than audits they found a mistake.
    """
    random = found.get("audit", Found()).rate
    more = {
        stratum: max(found.get(stratum, Found()).rate - random, 0.0)
        for stratum in ("anchor", "uncovered", "uncertain")
    }
    share, total = AIMED * max(1 - 2 * random, 0.0), sum(more.values())
    return {name: share * gain / total if total else 0.0 for name, gain in more.items()}
