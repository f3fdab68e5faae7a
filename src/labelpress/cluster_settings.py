"""
The `[cluster]` table of project.toml: where the partitions are worked.

Outside the package `cluster`, whose import brings Dask: reading a project must not take a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

WAIT_SECONDS = 300


class ClusterSettings(BaseModel):
    """At most one of `address` and `class`; with neither, processes on the flow's machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Annotated[str, Field(pattern=r"^$|^[a-z]+://.+")] = ""
    """A Dask scheduler, such as tcp://10.0.0.5:8786; certificates for tls:// are set in Dask."""
    class_path: Annotated[str, Field(alias="class", pattern=r"^$|^[\w.]+\.\w+$")] = ""
    """Import path of a Dask cluster class, such as dask_kubernetes.operator.KubeCluster."""
    arguments: Mapping[str, Any] = Field(default_factory=dict, repr=False)
    """The class's keyword arguments. Credentials belong in the environment."""
    workers: Annotated[int, Field(ge=0)] = 0
    """How many workers to ask a cluster class for; 0 leaves that to its arguments."""
    wait_seconds: Annotated[int, Field(ge=1)] = WAIT_SECONDS
    """How long to wait for a worker: for the first, and again where all of them are gone."""

    @model_validator(mode="after")
    def _one_place(self) -> ClusterSettings:
        if self.address and self.class_path:
            raise ValueError("address and class exclude each other; keep one")
        if self.arguments and not self.class_path:
            raise ValueError("arguments are those of a class, and none is named")
        return self
