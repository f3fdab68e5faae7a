"""The label task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.cluster import Cluster
from labelpress.events import at_work, show_partitions
from labelpress.runs import Run
from labelpress.stages.fit import Fitted
from labelpress.stages.label import Candidate, write_labels


@task(name="label", cache_policy=NO_CACHE)
def label(run: Run, fitted: Fitted, cluster: Cluster) -> Candidate:
    """Write the candidate's label files, not yet visible, and certify them."""
    with at_work(run, "label", cluster) as account:
        candidate = write_labels(run, fitted, cluster)
    show_partitions("label", account.table)
    return candidate
