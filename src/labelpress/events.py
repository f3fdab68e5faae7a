"""What Prefect is told: stages, progress, tables, the summary, and who started the run."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.concurrency.sync import concurrency
from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.settings import get_current_settings
from prefect.utilities import annotations as wrappers

from labelpress.accounting import accounted
from labelpress.errors import ServerDownError
from labelpress.progress import bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from polars import DataFrame
    from prefect import Task
    from prefect.client.schemas.objects import State

    from labelpress.accounting import Account
    from labelpress.cluster import Cluster, PartitionRow
    from labelpress.exchange.taking import Taken
    from labelpress.runs import Run
    from labelpress.store import Store

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

TABLE_ROWS = 500
"""A larger table makes the browser slow; the slowest and the failed partitions are shown."""
_SECONDS_BETWEEN_UPDATES = 2.0


def run_stage(
    stage: Task[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """
    Call a stage's task with arguments that Prefect does not search for futures.

    It would visit every field of every cell of every manifest, twice per task: 0.2 s for the cells
    of 40 heuristics on 66 partitions, and more with every partition.
    """
    # an older Prefect has no `opaque`; with `quote` its UI draws no lines between the stages
    closed: Any = getattr(wrappers, "opaque", wrappers.quote)
    shut: Any = {name: closed(value) for name, value in kwargs.items()}
    result: Result = stage(*map(closed, args), **shut)
    return result


def flow_run_facts() -> tuple[str, datetime | None, str]:
    """Return id, scheduled start and page of the flow run that this code runs in."""
    identity = flow_run.get_id() or ""
    expected = flow_run.get_scheduled_start_time() if identity else None
    page = get_current_settings().server.ui.api_url or get_current_settings().api.url or ""
    link = (
        f"{page.removesuffix('/api')}/runs/flow-run/{identity}" if identity and page else identity
    )
    return identity, expected, link


def server_may_return(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Say whether a failed task is worth a second try: only where a server was down."""
    try:
        state.result()
    except ServerDownError:
        return True
    except Exception:  # noqa: BLE001  whatever it is, it would be the same again
        return False
    return False


@contextmanager
def at_work(run: Run, stage: str, cluster: Cluster) -> Iterator[Account]:
    """Account for a stage, and show how far it is."""
    with (
        progress_of(stage) as show,
        cluster.watched(show),
        accounted(run, stage, cluster) as account,
    ):
        yield account


@contextmanager
def progress_of(stage: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback that shows how far a stage is: in the UI, and on a terminal as a bar."""
    artifact = _ProgressArtifact(stage)
    with bar(stage) as move:

        def show(done: int, known: int) -> None:
            artifact.show(done, known)
            move(done, known)

        yield show
    artifact.finish()


class _ProgressArtifact:
    """A stage's progress in the UI; a stage that fails stays where it was."""

    def __init__(self, stage: str) -> None:
        self._key = f"{stage}-progress"
        self._artifact: UUID | None = None
        self._shown = time.monotonic()

    def show(self, done: int, known: int) -> None:
        """Show progress, at most every 2 seconds: each time is a call to the server."""
        now = time.monotonic()
        if now - self._shown >= _SECONDS_BETWEEN_UPDATES:
            self._shown = now
            self._write(100 * done / max(known, 1))

    def finish(self) -> None:
        """Show that the stage is done."""
        self._write(100.0)

    def _write(self, percent: float) -> None:
        if self._artifact is None:
            self._artifact = UUID(str(create_progress_artifact(progress=percent, key=self._key)))
        else:
            update_progress_artifact(self._artifact, progress=percent)


def show_partitions(stage: str, table: Sequence[PartitionRow]) -> None:
    """Show which worker did which partition in how many seconds, the failed and slowest first."""
    if not table:
        return
    ordered = sorted(table, key=lambda row: (row.state == "done", -row.seconds, row.part))
    create_table_artifact(
        table=[asdict(row) for row in ordered[:TABLE_ROWS]],
        key=f"{stage}-partitions",
        description=f"{len(table)} pieces of work in stage {stage}; the slowest first",
    )


def show_summary(text: str) -> None:
    """Show the summary of a run."""
    create_markdown_artifact(markdown=text, key="summary", description="Verdict, figures, cost")


def show_maintenance(text: str) -> None:
    """Show what maintenance removed, or would."""
    create_markdown_artifact(markdown=text, key="maintenance", description="Files removed, bytes")


def show_rejected(lines: DataFrame) -> None:
    """Show answer lines that were refused, with their reasons; nothing where there are none."""
    if lines.height:
        create_table_artifact(
            table=lines.head(TABLE_ROWS).to_dicts(),
            key="rejected-answers",
            description=f"{lines.height} answer lines were refused",
        )


def announce_answers(project: str, store: Store, taken: Taken, tool: str) -> None:
    """Emit `labelpress.answers.arrived`, if any did; the same answers are the same event."""
    if taken.answers:
        announce(
            project,
            store,
            "labelpress.answers.arrived",
            taken.batch,
            {
                "answers": taken.answers,
                "skips": taken.skips,
                "rejected": taken.rejected.height,
                "tool": tool,
                "answers_version": store.answers.version(),
            },
        )


def announce_asks(project: str, store: Store, asks: DataFrame, batch: str) -> None:
    """Emit `labelpress.asks.created`, if any were; the same batch is the same event."""
    if asks.height:
        strata = asks.group_by("stratum").len().sort("stratum")
        first = asks.row(0, named=True)
        announce(
            project,
            store,
            "labelpress.asks.created",
            batch,
            {
                "asks": asks.height,
                "strata": dict(strata.iter_rows()),
                "period": first["period"],
                "label_version": first["label_version"],
                "expires": first["expires"].isoformat(),
            },
        )


@contextmanager
def one_at_a_time(project: str) -> Iterator[None]:
    """
    Wait until no other flow writes for the project, as far as Prefect's limit is set up.

    A courtesy that spares work: what makes double runs harmless is the commit. The limit
    `labelpress:PROJECT` is made by deployments/set_up.py; without it nothing waits.
    """
    with concurrency(f"labelpress:{project}", occupy=1, raise_on_lease_renewal_failure=False):
        yield


def announce(
    project: str,
    store: Store,
    event: str,
    batch: str,
    payload: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
) -> None:
    """Emit an event of a project; the same batch is the same event, however often it is said."""
    resource = f"labelpress.project.{project}"
    emit_event(
        event,
        resource={
            "prefect.resource.id": resource,
            "prefect.resource.name": project,
            **(labels or {}),
        },
        payload={"project": project, "batch": batch, **payload},
        # A rerun must not set off an automation a second time.
        id=uuid5(NAMESPACE_URL, f"{store.uri}/{resource}/{event}/{batch}"),
    )
