"""The `[source]` table of project.toml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class SourceSettings(BaseModel):
    """Where the rows are, and what names them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    """A folder of Parquet files, a glob, one file, or a Delta table; relative to the project."""
    id: str
    """The column that names a row; unique over the whole source, text or integer."""
    format: Literal["auto", "parquet", "delta"] = "auto"
    """`auto` takes a folder with a `_delta_log` for a Delta table."""
    missing_columns: Literal["error", "null"] = "error"
    """What a column that some partitions lack is taken for there."""
    on_duplicate: Annotated[str, Field(pattern=r"^(error|latest:.+)$")] = "error"
    """`error`, or `latest:COLUMN`: of several rows with one id the one with the largest value."""
    partition_rows: Annotated[int, Field(ge=1)] = 1_000_000
    """A file with more rows is split at row-group borders into partitions of about this size."""
    storage_options: dict[str, str] = Field(default_factory=dict)
    """For s3fs and others: endpoint, region. Credentials belong in the environment."""

    @property
    def latest_by(self) -> str | None:
        """The column that decides between rows of one id, or None where duplicates are errors."""
        return self.on_duplicate.removeprefix("latest:") if self.on_duplicate != "error" else None
