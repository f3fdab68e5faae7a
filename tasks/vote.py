"""The vote task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.cluster import Cluster
from labelpress.events import at_work, show_partitions
from labelpress.runs import Run
from labelpress.stages.plan import Plan
from labelpress.stages.vote import Voted, cast_votes


@task(name="vote", cache_policy=NO_CACHE)
def vote(run: Run, planned: Plan, cluster: Cluster) -> Voted:
    """Cast the missing cells; reuse the others."""
    with at_work(run, "vote", cluster) as account:
        voted = cast_votes(run, planned, cluster)
        account.heuristic_seconds = voted.heuristic_seconds
        account.saved_seconds = voted.saved_seconds
        account.model_calls = voted.model_calls
    show_partitions("vote", account.table)
    return voted
