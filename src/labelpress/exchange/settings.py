"""The `[exchange]` table of project.toml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class LabelStudioSettings(BaseModel):
    """The keys `[exchange] label_studio.*`: a server that shows asks to experts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    block: str = ""
    """The name of a Prefect block of the type Label Studio, with address and token."""
    url: str = ""
    """The server's address; empty: no Label Studio."""
    token_variable: str = "LABEL_STUDIO_TOKEN"  # noqa: S105  the name of a variable
    """The environment variable that holds the token; the token itself is written nowhere."""
    title: str = ""
    """The title of the Label Studio project; empty: the project's name."""


class ExchangeSettings(BaseModel):
    """Where asks go and answers come from, and what may leave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """The columns that experts see. Without them files show all, and no server is sent any."""
    folder: str = "exchange/"
    """Where `collect-answers` writes asks and finds answers; relative to the project."""
    file_format: Literal["csv", "jsonl", "prodigy", "argilla"] = "csv"
    """How the asks are written there. Answers are read in any of these."""
    label_studio: LabelStudioSettings = LabelStudioSettings()
