"""What the train stage makes: an end model with how it was judged, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from labelpress.end_model.evaluation import Evaluation
    from labelpress.end_model.sweep import Sweep


@dataclass(frozen=True, slots=True)
class Untrained:
    """Why there is no end model."""

    reason: str

    @property
    def log(self) -> tuple[str, ...]:
        """What a person who follows the run is told."""
        return (self.reason,)


@dataclass(frozen=True, slots=True)
class AuditPredictions:
    """What the end model says of audited rows that it did not learn the answer of."""

    row_ids: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    """What it says: out of fold where the answer taught it, as it is where it was reserved."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted end model and how it was judged."""

    content: bytes
    """The skops file."""
    mix: str
    """How program labels and answers were combined."""
    candidates: tuple[Mapping[str, Any], ...]
    """The mixes that were compared."""
    rows: int
    """Rows it was trained on."""
    excluded: int
    """Rows left out because they are in the test set."""
    evaluation: Evaluation | None
    judged_on: str
    """`test set` or `reserved audits`."""
    solver: str = ""
    """Whether the rows were held in memory or streamed, and why."""
    sweep: Sweep | None = None
    """What more, and what surer, program labels do; None where too few rows judge."""
    audits: AuditPredictions = AuditPredictions()
    suspects: pl.DataFrame | None = None
    """Rows of the test set, the likeliest wrong gold label first; None without a test set."""
    corrected: int = 0
    """Rows of the test set whose gold an expert's answer replaces."""
    answers_version: int | None = None
    """The version of `answers` that these replacements are of; None while there are none."""

    @property
    def log(self) -> tuple[str, ...]:
        """What a person who follows the run is told, line by line."""
        judged = self.evaluation
        lines = [
            f"End model fitted on {self.rows:,} rows, {self.solver}.",
            f"Training mix: {self.mix}.",
        ]
        if self.sweep is not None:
            lines.append(self.sweep.sentence)
        if judged is not None:
            lines.append(
                f"Accuracy {judged.accuracy:.1%} ({judged.low:.1%} to {judged.high:.1%}) on "
                f"{judged.rows:,} rows of the {self.judged_on}."
            )
        if self.corrected:
            lines.append(f"Experts have corrected {self.corrected} gold labels of the test set.")
        return tuple(lines)
