"""MLflow: one run per label version or held run, and one ledger run per project."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import unquote, urlparse

from labelpress.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlflow import MlflowClient

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

LEDGER_RUN = "ledger"
CENT = 0.005
_NOTE = "mlflow.note.content"
_MODEL_FILE = "end_model.skops"
_BATCH = 500
"""Metrics in one request; a server takes 1,000, which the figures of 200 heuristics exceed."""


@dataclass(frozen=True, slots=True)
class TrackedData:
    """A dataset that a run read or wrote, as MLflow shows it."""

    name: str
    digest: str
    uri: str
    context: str
    """`source` or `labels`."""
    rows: int


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered end model."""

    name: str
    version: str
    run_id: str
    tags: Mapping[str, str]


def _telling(
    method: Callable[Concatenate[Tracking, Parameters], Result],
) -> Callable[Concatenate[Tracking, Parameters], Result]:
    """Turn whatever MLflow's back ends raise into a `TrackingError` that names the server."""

    @wraps(method)
    def told(self: Tracking, /, *args: Parameters.args, **named: Parameters.kwargs) -> Result:
        try:
            return method(self, *args, **named)
        except TrackingError:
            raise
        except Exception as error:
            raise TrackingError(
                f"MLflow at {_shown(self.uri)} failed ({_first_line(error)})."
            ) from error

    return told


class Tracking:
    """An experiment of a tracking server; only the flow's process talks to it."""

    def __init__(self, uri: str, project: str) -> None:
        """Connect, and make the experiment; raises `TrackingError` where that fails."""
        from mlflow import MlflowClient  # noqa: PLC0415  MLflow takes seconds to import

        self.uri = uri
        self.project = project
        if uri.startswith("http"):
            # Without this a server that is down is retried for minutes before anybody is told.
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        # Processes that touch an old SQLite file at once collide in its migration; waiting helps.
        attempts = 6 if uri.startswith("sqlite:") else 1
        for attempt in range(1, attempts + 1):
            try:
                _make_database(uri)
                self._client: MlflowClient = MlflowClient(tracking_uri=uri, registry_uri=uri)
                self._experiment: str = self._find_experiment()
            except Exception as error:  # noqa: BLE001  MLflow raises whatever its back end raises
                if attempt < attempts:
                    time.sleep(attempt)
                    continue
                raise TrackingError(
                    f"MLflow at {_shown(uri)} cannot be used ({_first_line(error)}). Nothing was "
                    "computed or published. Start the server, or mend [tracking] uri in "
                    "project.toml."
                ) from None
            return

    def _find_experiment(self) -> str:
        experiment = self._client.get_experiment_by_name(self.project)
        if experiment is not None:
            return str(experiment.experiment_id)
        location = _artifact_location(self.uri, self.project)
        return str(self._client.create_experiment(self.project, location))

    @_telling
    def open_run(self, name: str, tags: Mapping[str, str]) -> str:
        """
        Return the id of the run with these tags, made where there is none.

        A run that a killed flow left `RUNNING` is taken up; a finished one is returned as it is.
        """
        found = self.find_run(tags)
        if found is not None:
            return found
        run = self._client.create_run(self._experiment, tags=dict(tags), run_name=name)
        return str(run.info.run_id)

    @_telling
    def find_run(self, tags: Mapping[str, str]) -> str | None:
        """Return the id of the oldest run with these tags, or None."""
        query = " and ".join(f"tags.`{key}` = '{_quoted(value)}'" for key, value in tags.items())
        found = self._client.search_runs(
            [self._experiment], query, max_results=1, order_by=["attributes.start_time ASC"]
        )
        return str(found[0].info.run_id) if found else None

    @_telling
    def write(
        self,
        run_id: str,
        *,
        metrics: Mapping[str, float | None],
        params: Mapping[str, str],
        tags: Mapping[str, str],
        data: Sequence[TrackedData] = (),
        step: int = 0,
    ) -> None:
        """Write what is known of a run; unknown metrics (None) are left out."""
        from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415

        now = int(time.time() * 1000)
        known = [(key, value) for key, value in metrics.items() if value is not None]
        # Parameters cannot be changed once written; a run that is taken up again keeps its own.
        written = self._client.get_run(run_id).data.params
        self._client.log_batch(
            run_id,
            params=[Param(k, v[:6000]) for k, v in params.items() if k not in written],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
        points = [Metric(key, float(value), now, step) for key, value in known]
        for start in range(0, len(points), _BATCH):
            self._client.log_batch(run_id, metrics=points[start : start + _BATCH])
        if data:
            self._client.log_inputs(run_id, [_dataset_input(item) for item in data])

    @_telling
    def write_files(self, run_id: str, files: Mapping[str, str | bytes]) -> None:
        """Write artifacts, by path."""
        with tempfile.TemporaryDirectory() as folder:
            for path, content in files.items():
                target = Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                data = content.encode() if isinstance(content, str) else content
                target.write_bytes(data)
            self._client.log_artifacts(run_id, folder)

    @_telling
    def change_note(self, run_id: str, change: Callable[[str], str]) -> None:
        """Change the description of a run, if it has one."""
        tags = self._client.get_run(run_id).data.tags
        if _NOTE in tags and change(tags[_NOTE]) != tags[_NOTE]:
            self._client.set_tag(run_id, _NOTE, change(tags[_NOTE]))

    @_telling
    def finish(self, run_id: str, *, failed: bool = False) -> None:
        """Mark a run as finished, or failed."""
        self._client.set_terminated(run_id, "FAILED" if failed else "FINISHED")

    @_telling
    def close_running(self, keep: str) -> int:
        """Close the runs that killed flows left `RUNNING`, but `keep`; return how many."""
        running = self._client.search_runs([self._experiment], "attributes.status = 'RUNNING'")
        stale = [run.info.run_id for run in running if run.info.run_id != keep]
        for run_id in stale:
            self._client.set_terminated(run_id, "KILLED")
        return len(stale)

    @_telling
    def write_costs(self, steps: Mapping[int, Mapping[str, float]]) -> None:
        """
        Write the costs of all periods to the project's ledger run: its metrics are the chart.

        A step that is there is written again only where it differs by a cent: what crashed or late
        runs spent is booked to their own period afterwards, and MLflow draws every point.
        """
        run_id = self.open_run(f"{self.project} ledger", self._ledger_tags)
        names = {name for costs in steps.values() for name in costs}
        drawn = {
            (name, point.step): point.value
            for name in sorted(names)
            for point in self._client.get_metric_history(run_id, name)
        }
        for step, costs in steps.items():
            changed = {
                name: value
                for name, value in costs.items()
                if abs(drawn.get((name, step), float("inf")) - value) >= CENT
            }
            if changed:
                self.write(run_id, metrics=changed, params={}, tags={}, step=step)
        self.finish(run_id)

    @_telling
    def log_model(
        self, run_id: str, content: bytes, tags: Mapping[str, str], requirements: Sequence[str]
    ) -> ModelVersion:
        """
        Register an end model as a new version of the project's model.

        The model is a skops file behind a loader module, so that loading never unpickles.
        """
        from mlflow import pyfunc  # noqa: PLC0415
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / _MODEL_FILE
            file.write_bytes(content)
            model = Path(folder) / "model"
            pyfunc.save_model(
                str(model),
                loader_module="labelpress.end_model.serving",
                data_path=str(file),
                pip_requirements=list(requirements),
            )
            self._client.log_artifacts(run_id, str(model), "model")
        try:
            self._client.create_registered_model(self.project)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        source = f"{self._client.get_run(run_id).info.artifact_uri}/model"
        version = self._client.create_model_version(
            self.project, source, run_id=run_id, tags=dict(tags), await_creation_for=0
        )
        return ModelVersion(self.project, str(version.version), run_id, dict(tags))

    @_telling
    def models(self) -> tuple[ModelVersion, ...]:
        """Return all registered versions of the project's model, oldest first."""
        found = self._client.search_model_versions(f"name = '{_quoted(self.project)}'")
        ordered = sorted(found, key=lambda version: int(version.version))
        return tuple(
            ModelVersion(self.project, str(v.version), str(v.run_id), dict(v.tags)) for v in ordered
        )

    @_telling
    def read_model(self, version: str) -> bytes:
        """Return the skops file of a registered version."""
        run_id = self._client.get_model_version(self.project, version).run_id
        with tempfile.TemporaryDirectory() as folder:
            path = self._client.download_artifacts(run_id, f"model/data/{_MODEL_FILE}", folder)
            return Path(path).read_bytes()

    @_telling
    def set_alias(self, alias: str, version: str) -> None:
        """Point an alias (champion, challenger) to a registered version."""
        self._client.set_registered_model_alias(self.project, alias, version)

    def alias(self, alias: str) -> str | None:
        """Return the version that an alias points to, or None."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            return str(self._client.get_model_version_by_alias(self.project, alias).version)
        except MlflowException:
            return None

    @_telling
    def chart(self, server: str = "") -> str | None:
        """
        Return the address of the page that draws the cost of each period; None before the first.

        `server` is the address of a server over the tracking store, where that is a database.
        """
        run_id = self.find_run(self._ledger_tags)
        if run_id is None:
            return None
        root = (server or self.uri).rstrip("/")
        return f"{root}/#/experiments/{self._experiment}/runs/{run_id}/model-metrics"

    @property
    def _ledger_tags(self) -> dict[str, str]:
        return {"labelpress.project": self.project, "labelpress.kind": LEDGER_RUN}

    def link(self, run_id: str) -> str:
        """Return the address of a run's page, or of the tracking store where there is no server."""
        if self.uri.startswith("http"):
            return f"{self.uri.rstrip('/')}/#/experiments/{self._experiment}/runs/{run_id}"
        return f"{self.uri} (experiment {self._experiment}, run {run_id})"


def _dataset_input(item: TrackedData) -> Any:
    import json  # noqa: PLC0415

    from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415

    dataset = Dataset(
        name=item.name,
        digest=item.digest[:36],
        source_type="delta" if item.context == "labels" else "parquet",
        source=json.dumps({"uri": item.uri}),
        profile=json.dumps({"rows": item.rows}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", item.context)])


def _make_database(uri: str) -> None:
    """
    Make a new SQLite file whole or not at all.

    MLflow makes its tables step by step, and refuses a file that a killed run left halfway.
    """
    if not uri.startswith("sqlite:////"):
        return
    path = Path(uri.removeprefix("sqlite:///").partition("?")[0])
    if path.exists():
        return
    from mlflow import MlflowClient  # noqa: PLC0415  MLflow takes seconds to import

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        made = f"sqlite:///{unfinished}"
        MlflowClient(tracking_uri=made, registry_uri=made).search_experiments(max_results=1)
        with suppress(FileExistsError):  # somebody else was first, and whole as well
            os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _artifact_location(uri: str, project: str) -> str | None:
    """Return where artifacts go: beside an SQLite file, else as the server says."""
    if not uri.startswith("sqlite:///"):
        return None
    database = Path(unquote(urlparse(uri).path.removeprefix("/")))
    return (database.parent / "mlartifacts" / project).resolve().as_uri()


def _shown(uri: str) -> str:
    """Return a URI without the credentials it may hold."""
    parsed = urlparse(uri)
    if parsed.password is None and parsed.username is None:
        return uri
    return parsed._replace(netloc=f"***@{parsed.hostname}").geturl()


def _quoted(text: str) -> str:
    return text.replace("'", "")


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
