"""The publish task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.cluster import Cluster
from labelpress.events import at_work
from labelpress.manifest import Manifest
from labelpress.runs import Run
from labelpress.stages.publish import PublicationKind, publish_labels
from labelpress.tables.publication import LabelVersion


@task(name="publish", cache_policy=NO_CACHE)
def publish(
    run: Run, manifest: Manifest, cluster: Cluster, kind: PublicationKind = "printing"
) -> LabelVersion:
    """Make the candidate the version that consumers read, by one commit."""
    with at_work(run, "publish", cluster):
        return publish_labels(run, manifest, kind)
