"""The fit task."""

from polars import DataFrame
from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.cluster import Cluster
from labelpress.events import at_work
from labelpress.runs import Run
from labelpress.stages.fit import Fitted, fit_labels
from labelpress.stages.vote import Voted


@task(name="fit", cache_policy=NO_CACHE)
def fit(run: Run, voted: Voted, answers: DataFrame, cluster: Cluster) -> Fitted:
    """Measure the base rate; learn the label model anew, or keep it."""
    with at_work(run, "fit", cluster):
        return fit_labels(run, voted, answers, cluster)
