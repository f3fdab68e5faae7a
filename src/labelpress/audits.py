"""Audits: answers drawn to judge, laid beside the labels they judge."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from labelpress.certify import Certificate, CohortConfidence, certify_part
from labelpress.stopping import level_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from labelpress.classes import Classes
    from labelpress.labels import CohortLabels, LabelCounts


@dataclass(frozen=True, slots=True)
class Audits:
    """The answered audits of rows that a label set labels; each array has one entry per audit."""

    answers: NDArray[np.int64]
    """The class codes that the experts gave, shape (a,)."""
    labels: NDArray[np.int64]
    """The class codes that the label model gives, without having learnt from them, shape (a,)."""
    confidence: NDArray[np.float64]
    """The probability of that label, shape (a,)."""
    cohorts: NDArray[np.str_]
    """Shape (a,)."""
    slices: Mapping[str, NDArray[np.bool_]]
    """For each slice which audits belong to it, each of shape (a,)."""
    response: float | None
    """Answered over asked; None where nothing was asked."""
    reserved: bool
    """False where the answers also taught, and `labels` were cross-fitted."""

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Which labels are right, shape (a,)."""
        return np.equal(self.labels, self.answers)

    def __len__(self) -> int:
        return len(self.answers)


@dataclass(frozen=True, slots=True)
class Certificates:
    """The accuracy of a label set, of all of it and of its parts; each has its own interval."""

    overall: Certificate
    labels: Mapping[str, Certificate]
    """By the class that labels a row: how often that label is right."""
    slices: Mapping[str, Certificate]
    """By the name of the slice."""
    lasting: Certificate
    """Overall, with the interval that holds under repeated looks."""

    def parts_to_json(self) -> dict[str, dict[str, Any]]:
        """Return those of the parts as plain JSON."""
        return {
            "labels": {name: asdict(one) for name, one in self.labels.items()},
            "slices": {name: asdict(one) for name, one in self.slices.items()},
            "looks": {"overall": asdict(self.lasting)},
        }


def certify_labels(
    audits: Audits, counts: LabelCounts, classes: Classes, look: int = 1
) -> Certificates:
    """
    Certify a label set overall, per class and per slice.

    The parts share the audits, so their 95 % hold for each by itself, not for all at once. `look`
    counts how often labels of this project were judged, this time included.
    """
    codes = dict(zip(classes.names, range(len(classes)), strict=True))
    everywhere, nowhere = np.ones(len(audits), dtype=bool), np.zeros(len(audits), dtype=bool)
    return Certificates(
        overall=_certify(audits, everywhere, counts.cohorts),
        lasting=_certify(audits, everywhere, counts.cohorts, level_at(look)),
        labels={
            name: _certify(audits, audits.labels == codes[name], cohorts)
            for name, cohorts in counts.by_label.items()
        },
        slices={
            name: _certify(audits, audits.slices.get(name, nowhere), cohorts)
            for name, cohorts in counts.by_slice.items()
        },
    )


def _certify(
    audits: Audits,
    rows: NDArray[np.bool_],
    cohorts: Mapping[str, CohortLabels],
    level: float = 0.95,
) -> Certificate:
    """Certify the part of the labels to which some of the audits belong."""
    population = {
        name: CohortConfidence(c.labelled, c.confidence_sum, c.confidence_sumsq)
        for name, c in cohorts.items()
        if c.labelled
    }
    # Rows asked by the bootstrap, before anything was printed, belong to the first printing.
    first = min(population, default="")
    asked = [cohort if cohort in population else first for cohort in audits.cohorts[rows].tolist()]
    if not population:
        rows, asked = np.zeros(len(audits), dtype=bool), []
    return certify_part(
        correct=audits.correct[rows],
        confidence=audits.confidence[rows],
        cohorts=np.array(asked, dtype=np.str_),
        population=population,
        response=audits.response,
        level=level,
        reserved=audits.reserved,
    )


def response_rate(
    asks: pl.DataFrame, answers: pl.DataFrame, answered: int, period: str, labelled: float
) -> float | None:
    """
    Return the share of the audits due that were answered; None where none was due.

    `asks` are the audits put, `answers` all that came back, `answered` how many of them count, and
    `labelled` the share of those whose row has a label: as many of the silent ones will. An ask
    that a printing of this period put out and that is still open is not due yet; one that was
    skipped, that an earlier period put, or that was put before the first printing is.
    """
    given = answers.filter(pl.col("label").is_not_null())
    silent = asks.join(given, on="ask_id", how="anti")
    skipped = pl.col("ask_id").is_in(answers["ask_id"].implode())
    earlier = (pl.col("period") < period) | pl.col("label_version").is_null()
    due = silent.filter((pl.col("period") <= period) & (earlier | skipped))
    put = answered + round(due["row_id"].n_unique() * labelled)
    return answered / put if put else None
