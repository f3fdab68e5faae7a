"""Promote: publish a held candidate by a person's decision."""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

import tasks.publish
from flows.relabel import Where, follow_up
from labelpress.blocks import open_project
from labelpress.cluster import open_project_cluster
from labelpress.decisions import Decision, decide
from labelpress.events import flow_run_facts, one_at_a_time, run_stage
from labelpress.manifest import read_manifest
from labelpress.runs import open_candidate
from labelpress.tracking import Tracking

Text = Annotated[str, Field(min_length=1)]


@flow(name="promote", log_prints=True)
def promote(project: str, run: Text, who: Text, why: Text, cluster: Where = "") -> Any:
    """
    Publish a held candidate, if the version it was compared with is still the current one.

    Args:
        project: Folder of the project, or any fsspec URI.
        run: Id of the held run, as its summary shows it.
        who: Who decides this.
        why: Why the candidate is good in spite of the gate.
        cluster: Where the partitions are worked: the address of a Dask scheduler, local (processes
            on this machine) or threads (of this process, for tiny data); empty means what
            project.toml says.

    """
    flow_run, _, link = flow_run_facts()
    opened = open_project(project)
    tracking = Tracking(opened.tracking_uri, opened.name)
    with (
        one_at_a_time(opened.name),
        open_project_cluster(opened.settings.cluster, cluster) as workers,
    ):
        held = open_candidate(opened, run, flow_run=flow_run, link=link)
        manifest = read_manifest(held.store.files, run)
        if manifest is None:
            raise RuntimeError(f"run {run} has no candidate")
        version = run_stage(tasks.publish.publish, held, manifest, workers, "promotion")
        decide(
            held.store.decisions,
            Decision("publish-held", who, why, label_version=version.version, run=run),
            batch=f"publish-held:{run}",
        )
        return follow_up(held, manifest, version, tracking, workers)
