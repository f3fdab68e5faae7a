"""The score task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.cluster import Cluster
from labelpress.events import at_work, show_partitions
from labelpress.manifest import Manifest
from labelpress.runs import Run
from labelpress.stages.score import Scored, score_rows
from labelpress.tables.publication import LabelVersion
from labelpress.tracking import Tracking


@task(name="score", cache_policy=NO_CACHE)
def score(
    run: Run, manifest: Manifest, version: LabelVersion, tracking: Tracking, cluster: Cluster
) -> Scored:
    """Let the champion predict every row, and write its predictions beside the labels."""
    with at_work(run, "score", cluster) as account:
        scored = score_rows(run, manifest, version, tracking, cluster)
    show_partitions("score", account.table)
    print(scored.sentence)  # noqa: T201  Prefect logs it
    return scored
