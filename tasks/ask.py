"""The ask task."""

from polars import col
from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.cluster import Cluster
from labelpress.events import announce_asks, at_work, show_partitions
from labelpress.manifest import Manifest
from labelpress.runs import Run
from labelpress.stages.ask import Asked, put_asks


@task(name="ask", cache_policy=NO_CACHE)
def ask(run: Run, manifest: Manifest, version: int | None, cluster: Cluster) -> Asked:
    """Put the rows that are worth an expert's minutes into the queue."""
    batch = f"v{version}" if version is not None else f"held:{manifest.run}"
    with at_work(run, "ask", cluster) as account:
        asked = put_asks(
            run, manifest, cluster, batch=batch, label_version=version, held=version is None
        )
    show_partitions("ask", account.table)
    fresh = asked.asks.filter(col("label_version").eq_missing(version))
    announce_asks(run.project.name, run.store, fresh, batch)
    return asked
