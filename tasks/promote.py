"""The promote task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.cluster import Cluster
from labelpress.events import at_work
from labelpress.manifest import Manifest
from labelpress.model_cost import cost_so_far
from labelpress.runs import Run
from labelpress.stages.promote import Promotion, promote_model
from labelpress.stages.train import register_model
from labelpress.stages.trained import Trained
from labelpress.tables.publication import LabelVersion
from labelpress.tracking import Tracking


@task(name="promote", cache_policy=NO_CACHE)
def promote(
    run: Run,
    manifest: Manifest,
    version: LabelVersion,
    trained: Trained,
    tracking: Tracking,
    cluster: Cluster,
) -> Promotion:
    """Register the end model and decide whether it becomes champion."""
    with at_work(run, "promote", cluster):
        cost = cost_so_far(run, manifest)
        model = register_model(manifest, version, trained, tracking, cost)
        promotion = promote_model(run, manifest, version, model, trained, tracking, cluster)
    print(promotion.sentence)  # noqa: T201  Prefect logs it
    return promotion
