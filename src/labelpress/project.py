"""Projects: a folder with project.toml and heuristics.py, read once and checked."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from labelpress.asks import ExpertsSettings
from labelpress.bundle import Bundle, belongs
from labelpress.cluster_settings import ClusterSettings
from labelpress.end_model.settings import EndModelSettings
from labelpress.errors import ProjectError, did_you_mean
from labelpress.exchange.settings import ExchangeSettings
from labelpress.gate import GateSettings
from labelpress.heuristics.settings import HeuristicsSettings
from labelpress.label_models.fitting import ModelName
from labelpress.ledger import CostsSettings
from labelpress.periods import ScheduleSettings
from labelpress.retention import RetentionSettings
from labelpress.slices import SlicesSettings
from labelpress.sources.folder import absolute, read_folder
from labelpress.sources.settings import SourceSettings
from labelpress.tables.options import credentials_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

FROZEN = ConfigDict(frozen=True, extra="forbid")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]


class ClassesSettings(BaseModel):
    """The `[classes]` table of project.toml."""

    model_config = FROZEN

    names: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=2)]
    """Class names. Their codes come from the store's registry, never from this order."""
    base_rate: tuple[float, ...] | None = None
    """Class distribution in the order of `names`; used, as assumed, until audits measure it."""

    @model_validator(mode="after")
    def _consistent(self) -> ClassesSettings:
        if len(set(self.names)) != len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ValueError(f"names: {twice!r} stands there twice")
        rate = self.base_rate
        if rate is None:
            return self
        if len(rate) != len(self.names) or min(rate) < 0 or abs(sum(rate) - 1) > 1e-6:
            raise ValueError(
                f"base_rate: {len(self.names)} shares that sum to 1 are wanted, one per class; "
                f"these are {len(rate)} and sum to {sum(rate):.6g}"
            )
        return self


class StoreSettings(BaseModel):
    """The `[store]` table of project.toml."""

    model_config = FROZEN

    uri: str = "store/"
    """A local folder, relative to the project, or any object store."""
    block: str = ""
    """The name of a Prefect block of the type Label Store that says the rest."""
    storage_options: dict[str, str] = Field(default_factory=dict, repr=False)
    """For the object store: endpoint, region. Credentials belong in the environment or a block."""


class LabelModelSettings(BaseModel):
    """The `[label_model]` table of project.toml."""

    model_config = FROZEN

    model: ModelName = "auto"
    """Which estimator; `auto` is the robust default."""
    refit: Literal["on-drift", "always", "never"] = "on-drift"
    """When the parameters are learnt anew."""
    max_patterns: int = Field(default=500_000, ge=0)
    """Distinct vote patterns that the flow's process holds; more stay with the workers."""


class EvaluationSettings(BaseModel):
    """The `[evaluation]` table of project.toml."""

    model_config = FROZEN

    test: str | None = None
    """A Parquet file with gold labels that is never trained on; relative to the project."""
    gold: str = "gold"
    """The column of that file that holds the class name."""


class TrackingSettings(BaseModel):
    """The `[tracking]` table of project.toml."""

    model_config = FROZEN

    uri: str = ""
    """MLflow's tracking URI; else MLFLOW_TRACKING_URI, else SQLite beside the store."""


class Settings(BaseModel):
    """The whole of project.toml."""

    model_config = FROZEN

    name: Name
    """Names the project in MLflow, in Prefect and in the store."""
    source: SourceSettings
    classes: ClassesSettings
    seed: Annotated[int, Field(ge=0)] = 0
    """The start of everything random."""
    store: StoreSettings = StoreSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    cluster: ClusterSettings = ClusterSettings()
    heuristics: HeuristicsSettings = HeuristicsSettings()
    label_model: LabelModelSettings = LabelModelSettings()
    experts: ExpertsSettings = ExpertsSettings()
    exchange: ExchangeSettings = ExchangeSettings()
    slices: SlicesSettings = SlicesSettings()
    end_model: EndModelSettings = EndModelSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    gate: GateSettings = GateSettings()
    costs: CostsSettings = CostsSettings()
    tracking: TrackingSettings = TrackingSettings()
    retention: RetentionSettings = RetentionSettings()

    def judged_by(self) -> dict[str, Any]:
        """Return the tables on which a run's figures depend, as plain JSON."""
        return self.model_dump(mode="json", include=set(_JUDGED_BY))

    def as_then(self, judged_by: Mapping[str, Any]) -> Settings:
        """Return these settings with the tables that `judged_by` returned at another time."""
        return Settings.model_validate(self.model_dump(by_alias=True) | dict(judged_by))


_JUDGED_BY = ("seed", "classes", "label_model", "gate")
"""Without what is kept elsewhere in a manifest; there are no credentials in these tables."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project as it was when the run began."""

    uri: str
    """The folder, absolute."""
    settings: Settings
    bundle: Bundle
    """Its files, as they travel to the workers."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What a block says and nobody else may read, by what it opens; it travels nowhere."""

    @property
    def names_blocks(self) -> bool:
        """Whether the settings name a Prefect block, so that Prefect must be asked."""
        settings = self.settings
        studio = settings.exchange.label_studio
        return bool(settings.store.block or settings.costs.block or studio.block)

    @property
    def name(self) -> str:
        """The project's name."""
        return self.settings.name

    @property
    def source_uri(self) -> str:
        """Where the rows are."""
        return absolute(self.settings.source.uri, self.uri)

    @property
    def store_uri(self) -> str:
        """Where the labels are."""
        return absolute(self.settings.store.uri, self.uri)

    @property
    def test_uri(self) -> str | None:
        """Where the test set is, if there is one."""
        test = self.settings.evaluation.test
        return None if test is None else absolute(test, self.uri)

    @property
    def tracking_uri(self) -> str:
        """
        Where MLflow records the runs.

        Raises `ProjectError` where nothing names it and the store is not a local folder.
        """
        named = self.settings.tracking.uri or os.environ.get("MLFLOW_TRACKING_URI", "")
        if named.startswith("sqlite:///") and not named.startswith("sqlite:////"):
            return "sqlite:///" + absolute(named.removeprefix("sqlite:///"), self.uri)
        if named:
            return named
        if "://" in self.store_uri:
            raise ProjectError(
                "project.toml, [tracking] uri: the store is not a local folder, so MLflow needs an "
                "address of its own. Set the key, or the variable MLFLOW_TRACKING_URI."
            )
        return f"sqlite:///{Path(self.store_uri).parent / 'mlflow.db'}"


def read_project(uri: str) -> Project:
    """
    Read and check a project's folder, local or any fsspec URI.

    Raises `ProjectError` naming file, key and value where something is wrong or missing.
    """
    folder = uri.rstrip("/") if "://" in uri else str(Path(uri).expanduser().resolve())
    bundle = Bundle(read_folder(folder, belongs))
    names = {path for path, _ in bundle.files}
    for needed in ("project.toml", "heuristics.py"):
        if needed not in names:
            raise ProjectError(f"the project folder {folder!r} holds no {needed}.")
    return Project(folder, parse_settings(bundle.read("project.toml").decode()), bundle)


def parse_settings(text: str) -> Settings:
    """
    Parse the text of a project.toml.

    Raises `ProjectError` naming key, value and what would be right, for all mistakes at once.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"project.toml is not valid TOML: {error}") from None
    _refuse_credentials(data)
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        lines = [_explain(detail) for detail in error.errors()]
        raise ProjectError("project.toml: " + "; ".join(lines)) from None
    oracle = settings.experts.oracle
    if oracle in settings.end_model.features.columns:
        raise ProjectError(
            f"project.toml: [end_model] features: {oracle!r} is the column of the oracle, so the "
            "model would see the answers. Take it out of the features."
        )
    if oracle is not None and oracle in (settings.exchange.columns or ()):
        raise ProjectError(
            f"project.toml, [exchange] columns: {oracle!r} is the column of the oracle, so experts "
            "would see the answers. Take it out of the columns."
        )
    return settings


def _refuse_credentials(data: Mapping[str, Any]) -> None:
    """Before anything else is checked, since another error would show the values."""
    for table in ("source", "store"):
        place = data.get(table)
        options = place.get("storage_options") if isinstance(place, dict) else None
        found = credentials_in(options) if isinstance(options, dict) else []
        if found:
            raise ProjectError(
                f"project.toml, [{table}] storage_options: {found[0]!r} is a credential, and this "
                "file travels to the workers and into every audit. Take it out, make a new one, "
                "and put that into the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, or "
                "a profile or role of the machine)."
            )


def _explain(detail: ErrorDetails) -> str:
    where = [str(step) for step in detail["loc"]]
    table, key = (
        (f"[{where[0]}] ", ".".join(where[1:])) if len(where) > 1 else ("", ".".join(where))
    )
    place = f"{table}{key}".strip()
    if detail["type"] == "missing":
        return f"{place} is missing"
    if detail["type"] == "extra_forbidden":
        known = _known_keys(where[:-1])
        near = did_you_mean(where[-1], known)
        return f"{place} is no known key.{near} Known here: {', '.join(known)}"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{place} = {_shown(detail['input'])}: {message[0].lower()}{message[1:]}"


def _known_keys(path: list[str]) -> list[str]:
    model: Any = Settings
    for step in path:
        model = model.model_fields[step].annotation
    return sorted(field.alias or name for name, field in model.model_fields.items())


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
