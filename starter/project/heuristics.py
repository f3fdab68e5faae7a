"""What your experts know, as heuristics; each attribute of this module that is one, is used."""

from __future__ import annotations

from typing import Any

import polars as pl

from labelpress import heuristic, keywords, regex

money = keywords(["invoice", "refund", "charged"], label="billing", column="subject")
down = regex(r"(?i)\b(down|5\d\d error)", label="outage", column="subject", owner="ops")
screenshot = heuristic(pl.col("attachments") > 1, label="outage")


@heuristic(label="other", why="questions how to do something are neither")
def how_to(row: Any) -> bool:
    """Say whether the subject asks how to do something."""
    return str(row.subject).lower().startswith("how ")
