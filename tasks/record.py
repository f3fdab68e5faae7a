"""The record task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.accounting import accounted
from labelpress.cluster import Cluster
from labelpress.events import show_summary
from labelpress.manifest import Manifest
from labelpress.runs import Run
from labelpress.stages.promote import Promotion
from labelpress.stages.record import Record, record_run
from labelpress.stages.train import Trained
from labelpress.tables.publication import LabelVersion
from labelpress.tracking import Tracking


@task(name="record", cache_policy=NO_CACHE)
def record(
    run: Run,
    manifest: Manifest,
    tracking: Tracking,
    cluster: Cluster,
    *,
    version: LabelVersion | None,
    held: tuple[str, ...],
    trained: Trained | None,
    promotion: Promotion | None,
    asks: int,
) -> Record:
    """Book the costs, write the MLflow run and the report."""
    with accounted(run, "record", cluster):
        written = record_run(
            run,
            manifest,
            tracking,
            version=version,
            held=held,
            trained=trained,
            promotion=promotion,
            asks=asks,
        )
    show_summary(written.markdown)
    return written
