"""The record task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.cluster import Cluster
from labelpress.events import at_work, show_summary
from labelpress.manifest import Manifest
from labelpress.runs import Run
from labelpress.stages.promote import Promotion
from labelpress.stages.record import Record, keep_record, record_run
from labelpress.stages.trained import Trained
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
    with at_work(run, "record", cluster):
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
    show_summary(f"{written.markdown}\n\n{written.pictures}")
    return written


@task(name="keep-record", cache_policy=NO_CACHE)
def keep(
    run: Run,
    manifest: Manifest,
    cluster: Cluster,
    *,
    version: LabelVersion,
    trained: Trained | None,
) -> Record:
    """Book the costs and write the report; MLflow, which failed, is told by the next run."""
    with at_work(run, "record", cluster):
        kept = keep_record(
            run, manifest, version=version, held=(), trained=trained, promotion=None, asks=0
        )
    show_summary(f"{kept.markdown}\n\n{kept.pictures}")
    return kept
