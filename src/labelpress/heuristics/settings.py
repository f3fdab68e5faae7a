"""The `[heuristics]` table of project.toml: what a Python heuristic may use."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class HeuristicsSettings(BaseModel):
    """Limits of a Python heuristic on one partition; what exceeds them is stopped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_limit_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Wall-clock seconds per heuristic and partition."""
    memory_limit_mb: Annotated[int, Field(ge=64)] = 2048
    """Memory beyond what its process takes to start."""
