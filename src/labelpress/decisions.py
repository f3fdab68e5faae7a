"""Decisions: what people and the promotion rule decided, as rows of an append-only table."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import polars as pl

from labelpress.tables.schemas import DECISIONS

if TYPE_CHECKING:
    from types import EllipsisType

    from labelpress.tables.events import EventTable

DecisionKind = Literal[
    "publish-held", "rollback", "lift", "champion", "challenger", "maintain", "forget"
]


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision."""

    kind: DecisionKind
    who: str
    why: str
    label_version: int | None = None
    run: str | None = None
    model: str | None = None


def decide(
    table: EventTable,
    decision: Decision,
    *,
    batch: str,
    expect_version: int | EllipsisType | None = ...,
) -> bool:
    """
    Append a decision, once per batch; False where the batch has been decided before.

    With `expect_version` (None for a table that does not exist yet) the decision counts only if
    nobody has decided anything since that version of the table was read; otherwise
    `PublicationRefusedError` is raised.
    """
    row = {
        "decision_id": uuid.uuid4().hex,
        "kind": decision.kind,
        "label_version": decision.label_version,
        "run": decision.run,
        "model": decision.model,
        "who": decision.who,
        "why": decision.why,
        "at": datetime.now(UTC),
    }
    frame = pl.DataFrame([row], schema=DECISIONS)
    return table.append(frame, batch=batch, expect_version=expect_version)


def standing_hold(decisions: pl.DataFrame) -> str | None:
    """Return why nothing may be published, or None: a rollback holds until a person ends it."""
    ends = decisions.filter(pl.col("kind").is_in(["rollback", "lift", "publish-held"]))
    if ends.height == 0:
        return None
    last = ends.sort("at").row(-1, named=True)
    if last["kind"] != "rollback":
        return None
    return (
        f"A hold stands since {last['who']} rolled back to version {last['label_version']} on "
        f"{last['at']:%Y-%m-%d} ({last['why']}). Promote a held candidate, or lift the hold."
    )


def champion(decisions: pl.DataFrame) -> str | None:
    """Return the model version that was last made champion, or None."""
    named = decisions.filter(pl.col("kind") == "champion").sort("at")
    return str(named.row(-1, named=True)["model"]) if named.height else None
