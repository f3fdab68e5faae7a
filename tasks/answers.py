"""The answers task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.answers import FrozenAnswers
from labelpress.cluster import Cluster
from labelpress.events import at_work
from labelpress.runs import Run
from labelpress.stages.answers import freeze_answers


@task(name="answers", cache_policy=NO_CACHE)
def answers(run: Run, cluster: Cluster) -> FrozenAnswers:
    """Collect what came back from the experts and freeze what this run uses."""
    with at_work(run, "answers", cluster):
        return freeze_answers(run, cluster)
