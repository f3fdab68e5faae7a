"""The plan task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.answers import FrozenAnswers
from labelpress.cluster import Cluster
from labelpress.events import at_work, show_partitions
from labelpress.runs import Run
from labelpress.stages.plan import Plan, plan_run


@task(name="plan", cache_policy=NO_CACHE)
def plan(run: Run, frozen: FrozenAnswers, cluster: Cluster) -> Plan:
    """Find out what changed in the source and which cells are missing."""
    with at_work(run, "plan", cluster) as account:
        found = plan_run(run, frozen, cluster)
    show_partitions("plan", account.table)
    return found
