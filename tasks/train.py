"""The train task."""

from polars import DataFrame
from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.cluster import Cluster
from labelpress.events import at_work
from labelpress.manifest import Manifest
from labelpress.runs import Run
from labelpress.stages.train import train_or_say_why
from labelpress.stages.trained import Trained, Untrained


@task(name="train", cache_policy=NO_CACHE)
def train(
    run: Run, manifest: Manifest, answers: DataFrame, cluster: Cluster
) -> Trained | Untrained:
    """Fit the end model on the labels and judge it, or say why there is none."""
    with at_work(run, "train", cluster):
        trained = train_or_say_why(run, manifest, answers, cluster)
    for line in trained.log:
        print(line)  # noqa: T201  Prefect logs it
    return trained
