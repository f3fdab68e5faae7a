"""The task that registers and judges a model that was trained anew."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from labelpress.cluster import Cluster
from labelpress.events import at_work
from labelpress.manifest import Manifest
from labelpress.model_cost import cost_so_far
from labelpress.runs import Run
from labelpress.stages.promote import Promotion, promote_model
from labelpress.stages.retrain import finish_retraining
from labelpress.stages.train import register_model
from labelpress.stages.trained import Trained
from labelpress.tables.publication import LabelVersion
from labelpress.tracking import Tracking


@task(name="judge", cache_policy=NO_CACHE)
def judge(
    run: Run,
    manifest: Manifest,
    version: LabelVersion,
    trained: Trained,
    tracking: Tracking,
    cluster: Cluster,
) -> Promotion:
    """Register the model, decide whether it becomes champion, and tell MLflow."""
    with at_work(run, "promote", cluster):
        cost = cost_so_far(run, manifest)
        model = register_model(manifest, version, trained, tracking, cost, retraining=run.id)
        promotion = promote_model(
            run,
            manifest,
            version,
            model,
            trained,
            tracking,
            cluster,
            batch=f"promote:v{version.version}:{run.id}",
        )
        finish_retraining(model, trained, promotion, cost, tracking)
    print(promotion.sentence)  # noqa: T201  Prefect logs it
    return promotion
