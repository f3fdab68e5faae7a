"""The gate task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.cluster import Cluster
from labelpress.events import at_work
from labelpress.runs import Run
from labelpress.stages.gate import Gated, judge_candidate
from labelpress.stages.label import Candidate


@task(name="gate", cache_policy=NO_CACHE)
def gate(run: Run, candidate: Candidate, cluster: Cluster) -> Gated:
    """Judge the candidate and write its manifest."""
    with at_work(run, "gate", cluster):
        return judge_candidate(run, candidate, cluster)
