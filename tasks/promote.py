"""The promote task."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.accounting import accounted
from labelpress.cluster import Cluster
from labelpress.manifest import Manifest
from labelpress.runs import Run
from labelpress.stages.promote import Promotion, promote_model
from labelpress.stages.train import Trained, register_model
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
    with accounted(run, "promote", cluster):
        model = register_model(manifest, version, trained, tracking)
        return promote_model(run, version, model, trained, tracking)
