"""
Blocks: what Prefect keeps for projects, by name, so that no secret stands in a file.

Prefect finds them by the entry point `prefect.collections`. A block is read in the flow's process
only, and what project.toml says itself wins over what the block says.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field, HttpUrl, SecretStr

from labelpress.errors import ProjectError
from labelpress.project import Project, read_project

if TYPE_CHECKING:
    from collections.abc import Mapping

_DOCUMENTATION = HttpUrl(
    "https://github.com/labelpress/labelpress/blob/main/docs/reference.md#blocks"
)
_LOGO = HttpUrl("https://raw.githubusercontent.com/labelpress/labelpress/main/docs/logo.png")

Kind = TypeVar("Kind", bound=Block)
Usd = Annotated[float, Field(ge=0)]


class LabelStore(Block):
    """
    Where a project keeps its labels: a folder or bucket, and how to open it.

    Example:
        Load a stored store:
        ```python
        from labelpress.blocks import LabelStore

        store = LabelStore.load("BLOCK_NAME")
        ```

    """

    _block_type_name: ClassVar[str] = "Label Store"
    _block_type_slug: ClassVar[str] = "label-store"
    _logo_url = _LOGO
    _documentation_url = _DOCUMENTATION
    _description = "Where a labelpress project keeps its labels, and how to open it."

    uri: str = Field(
        default="", description="A bucket, such as s3://acme-labels/tickets, or a local folder."
    )
    storage_options: SecretDict = Field(
        default=SecretDict({}),
        description=(
            "For the object store: endpoint, region, and credentials where the environment "
            "has none."
        ),
    )


class CostRates(Block):
    """
    What an hour, a gibibyte and a model call cost, for all projects that name it.

    Example:
        Load stored rates:
        ```python
        from labelpress.blocks import CostRates

        rates = CostRates.load("BLOCK_NAME")
        ```

    """

    _block_type_name: ClassVar[str] = "Cost Rates"
    _block_type_slug: ClassVar[str] = "cost-rates"
    _logo_url = _LOGO
    _documentation_url = _DOCUMENTATION
    _description = "What an expert's hour, a core's hour and a stored gibibyte cost, in USD."

    expert_usd_per_hour: Usd = Field(default=60.0, description="An hour of an expert, in USD.")
    core_usd_per_hour: Usd = Field(default=0.05, description="An hour of one core, in USD.")
    read_usd_per_gib: Usd = Field(default=0.0, description="Reading one gibibyte, in USD.")
    storage_usd_per_gib_month: Usd = Field(
        default=0.023, description="Keeping one gibibyte for a month, in USD."
    )


class LabelStudio(Block):
    """
    A Label Studio that shows asks to experts, and the token to reach it.

    Example:
        Load a stored server:
        ```python
        from labelpress.blocks import LabelStudio

        server = LabelStudio.load("BLOCK_NAME")
        ```

    """

    _block_type_name: ClassVar[str] = "Label Studio"
    _block_type_slug: ClassVar[str] = "label-studio"
    _logo_url = _LOGO
    _documentation_url = _DOCUMENTATION
    _description = "A Label Studio that shows asks to experts, and the token to reach it."

    url: str = Field(description="The server's address, such as https://studio.acme.example.")
    token: SecretStr = Field(description="A legacy or a personal access token.")


def open_project(uri: str) -> Project:
    """
    Read a project and fill in what the blocks hold that it names.

    Raises `ProjectError` as `read_project` does, and where there is no such block.
    """
    return fill_blocks(read_project(uri))


def fill_blocks(project: Project) -> Project:
    """
    Return the project with the values of its blocks in place; without blocks nothing is asked.

    The values are in memory only: neither the project's files nor its digest change.
    """
    settings, secrets = project.settings, dict(project.secrets)
    store, costs, studio = settings.store, settings.costs, settings.exchange.label_studio
    if store.block:
        block = _load(LabelStore, store.block, "[store] block")
        options = {str(k): str(v) for k, v in block.storage_options.get_secret_value().items()}
        values: dict[str, Any] = {"storage_options": options | store.storage_options}
        if block.uri and "uri" not in store.model_fields_set:
            values["uri"] = block.uri
        settings = settings.model_copy(update={"store": store.model_copy(update=values)})
    if costs.block:
        rates = _load(CostRates, costs.block, "[costs] block")
        found = {name: getattr(rates, name) for name in CostRates.model_fields}
        settings = settings.model_copy(
            update={"costs": costs.model_copy(update=_unless_set(found, costs.model_fields_set))}
        )
    if studio.block:
        server = _load(LabelStudio, studio.block, "[exchange] label_studio.block")
        secrets["label_studio"] = server.token.get_secret_value()
        filled = studio.model_copy(update=_unless_set({"url": server.url}, studio.model_fields_set))
        exchange = settings.exchange.model_copy(update={"label_studio": filled})
        settings = settings.model_copy(update={"exchange": exchange})
    return replace(project, settings=settings, secrets=secrets)


def _unless_set(found: Mapping[str, Any], said: set[str]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in said}


def _load(kind: type[Kind], name: str, where: str) -> Kind:
    try:
        return kind.load(name, validate=True)  # type: ignore[return-value]
    except ValueError:
        # Prefect's own message would do, but it does not know which file named the block.
        slug = getattr(kind, "_block_type_slug", "")
        raise ProjectError(
            f"project.toml, {where}: Prefect has no block {slug}/{name}. Make it on the page "
            f"Blocks of the Prefect UI, or in Python: labelpress.blocks.{kind.__name__}(...)"
            f".save({name!r})."
        ) from None
