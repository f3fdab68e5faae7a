"""Retrain: train an end model anew from any published label version."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from prefect.states import Completed
from pydantic import Field

import tasks.retrain
import tasks.score
import tasks.train
from flows.relabel import Where
from labelpress.announcements import announce_model
from labelpress.blocks import open_project
from labelpress.cluster import open_project_cluster
from labelpress.events import flow_run_facts, one_at_a_time, run_stage, show_summary
from labelpress.manifest import read_answers
from labelpress.runs import open_retraining
from labelpress.stages.trained import Untrained
from labelpress.tracking import Tracking

Version = Annotated[int, Field(ge=-1)]


@flow(name="retrain", log_prints=True)
def retrain(project: str, version: Version = -1, cluster: Where = "") -> Any:
    """
    Train an end model on a label version and the answers it was printed with.

    Args:
        project: Folder of the project, or any fsspec URI.
        version: Label version to learn from, as `labelpress versions` lists it; -1 is the current.
        cluster: Where the partitions are worked: the address of a Dask scheduler, local (processes
            on this machine) or threads (of this process, for tiny data); empty means what
            project.toml says.

    """
    flow_run, _, link = flow_run_facts()
    opened = open_project(project)
    tracking = Tracking(opened.tracking_uri, opened.name)
    found = open_retraining(
        opened, None if version == -1 else version, flow_run=flow_run, link=link
    )
    run, manifest = found.run, found.manifest
    answers = read_answers(run.store.files, manifest.run)
    with (
        one_at_a_time(opened.name),
        open_project_cluster(opened.settings.cluster, cluster) as workers,
    ):
        trained = run_stage(tasks.train.train, run, manifest, answers, workers)
        if isinstance(trained, Untrained):
            return Completed(name="Untrained", message=trained.reason, data=trained)
        promotion = run_stage(
            tasks.retrain.judge, run, manifest, found.version, trained, tracking, workers
        )
        announce_model(run, found.version, promotion)
        if run.base is not None and run.base_manifest is not None:
            run_stage(tasks.score.score, run, run.base_manifest, run.base, tracking, workers)
    show_summary("\n\n".join(["# Retrained", *trained.log, promotion.sentence]))
    return promotion


if __name__ == "__main__":
    import sys

    retrain(sys.argv[1])
