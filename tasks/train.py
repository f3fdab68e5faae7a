"""The train task."""

from polars import DataFrame
from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.accounting import accounted
from labelpress.cluster import Cluster
from labelpress.manifest import Manifest
from labelpress.runs import Run
from labelpress.stages.train import Trained, train_model


@task(name="train", cache_policy=NO_CACHE)
def train(run: Run, manifest: Manifest, answers: DataFrame, cluster: Cluster) -> Trained | None:
    """Fit the end model on the labels and judge it."""
    with accounted(run, "train", cluster):
        return train_model(run, manifest, answers, cluster)
