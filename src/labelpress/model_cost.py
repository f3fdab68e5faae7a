"""What an end model cost: the training, and the printing of the labels that it learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelpress.ledger import STAGES, compute_entries
from labelpress.runs import read_spend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.manifest import Manifest
    from labelpress.runs import Run


@dataclass(frozen=True, slots=True)
class ModelCost:
    """Compute, storage and model calls in USD, by the rates of project.toml."""

    training_usd: float
    labels_usd: float
    """Of the run that printed the labels, from answers to publish; expert time is the ledger's."""

    @property
    def tags(self) -> Mapping[str, str]:
        """Return both as tags of a model version."""
        return {
            "labelpress.training_usd": f"{self.training_usd:.6f}",
            "labelpress.labels_usd": f"{self.labels_usd:.6f}",
            "labelpress.cost_usd": f"{self.training_usd + self.labels_usd:.6f}",
        }


def cost_so_far(run: Run, manifest: Manifest) -> ModelCost:
    """Price what training a model on a manifest's labels took, before the ledger is written."""
    before = STAGES[: STAGES.index("publish") + 1]
    return ModelCost(
        training_usd=_usd(run, run.id, ("train",)),
        labels_usd=_usd(run, manifest.run, before),
    )


def _usd(run: Run, of: str, stages: tuple[str, ...]) -> float:
    rates, period = run.project.settings.costs, run.slot.period
    spends = [read_spend(run.store, of, stage) for stage in stages]
    entries = [
        entry
        for spend in spends
        if spend is not None
        for entry in compute_entries(of, period, None, spend, rates)
    ]
    return sum(entry.usd for entry in entries if entry.counted_as == "spent")
