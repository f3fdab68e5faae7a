"""All that writes to a store, each in a process of its own, at a moment that it is given."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from labelpress.cluster import open_cluster
from labelpress.decisions import Decision, decide
from labelpress.erasure.forgetting import forget_rows
from labelpress.errors import LabelpressError
from labelpress.exchange.lines import read_lines
from labelpress.exchange.taking import take_answers
from labelpress.maintenance.sweeping import maintain_store
from labelpress.manifest import read_answers, read_manifest
from labelpress.model_cost import cost_so_far
from labelpress.project import read_project
from labelpress.retention import RetentionSettings
from labelpress.runs import open_candidate, open_retraining, open_run
from labelpress.stages.answers import freeze_answers
from labelpress.stages.ask import put_asks
from labelpress.stages.fit import fit_labels
from labelpress.stages.gate import judge_candidate
from labelpress.stages.label import write_labels
from labelpress.stages.plan import plan_run
from labelpress.stages.promote import promote_model
from labelpress.stages.publish import publish_labels
from labelpress.stages.train import register_model, train_model
from labelpress.stages.vote import cast_votes
from labelpress.store import existing_store
from labelpress.tracking import Tracking

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from labelpress.cluster import Cluster
    from labelpress.project import Project

CONTESTED = "2026-03-16"
"""The period that a run prints while a person promotes what an earlier run was held with."""
HELD, ANSWERS = "held", "answers.csv"
"""Files in the project's folder: the id of the held run, and what an expert gave back."""
ERASED = "b2"


def relabel(project: Project, cluster: Cluster) -> str:
    """Print the contested period, from answers to publish."""
    run = open_run(project, period=CONTESTED, flow_run="race")
    plan = plan_run(run, freeze_answers(run, cluster), cluster)
    fitted = fit_labels(run, cast_votes(run, plan, cluster), plan.answers, cluster)
    gated = judge_candidate(run, write_labels(run, fitted, cluster), cluster)
    return "held" if gated.held else f"published {publish_labels(run, gated.manifest).version}"


def promote(project: Project, cluster: Cluster) -> str:
    """Publish the held candidate of the contested period, decide so, and ask for it."""
    held_run = (Path(project.uri) / HELD).read_text()
    held = open_candidate(project, held_run, flow_run="promote")
    manifest = read_manifest(held.store.files, held_run)
    assert manifest is not None
    version = publish_labels(held, manifest, "promotion").version
    promoted = Decision("publish-held", "kim", "good", label_version=version, run=held_run)
    decide(held.store.decisions, promoted, batch=f"publish-held:{held_run}")
    put_asks(held, manifest, cluster, batch=f"v{version}", label_version=version)
    return f"promoted {version}"


def retrain(project: Project, cluster: Cluster) -> str:
    """Train on the current labels, register the model, and decide whether it serves."""
    found = open_retraining(project, None, flow_run="retrain")
    run, manifest, version = found.run, found.manifest, found.version
    tracking = Tracking(project.tracking_uri, project.name)
    trained = train_model(run, manifest, read_answers(run.store.files, manifest.run), cluster)
    cost = cost_so_far(run, manifest)
    model = register_model(manifest, version, trained, tracking, cost, retraining=run.id)
    known = (run, manifest, version, model, trained, tracking, cluster)
    return promote_model(*known, batch=f"promote:v{version.version}:{run.id}").role


def rollback(project: Project, _: Cluster) -> str:
    """Restore the first version."""
    return f"restored as {existing_store(project).labels.restore(1, 'race', 'kim').version}"


def maintain(project: Project, _: Cluster) -> str:
    """Give up all that may be given up."""
    settings = RetentionSettings(keep_days=1, keep_versions=1, orphan_days=1)
    done = maintain_store(existing_store(project), settings, lambda _done, _all: None)
    return f"gave up {done.survey.versions}"


def answer(project: Project, _: Cluster) -> str:
    """Take what an expert gave back, twice over."""
    data = (Path(project.uri) / ANSWERS).read_bytes()
    store = existing_store(project)
    took = [take_answers(store, read_lines(ANSWERS, data)).answers for _ in range(2)]
    return f"took {took}"


def forget(project: Project, _: Cluster) -> str:
    """Erase a row."""
    done = forget_rows(existing_store(project), [ERASED], who="kim", why="race")
    return f"version {done.label_version}"


WRITERS = {act.__name__: act for act in (relabel, promote, retrain, rollback, maintain, answer)}
"""What goes on at the same instant in every race."""
ERASER = {forget.__name__: forget}


def serve(name: str, orders: Connection) -> None:
    """Do one's part in each project that is sent, when the moment beside it has come."""
    act = (WRITERS | ERASER)[name]
    with open_cluster(processes=False, workers=1) as cluster:
        orders.send("ready")
        while (order := orders.recv()) is not None:
            path, moment = order
            project = read_project(path)
            time.sleep(max(0.0, moment - time.time()))
            try:
                told = act(project, cluster)
            except LabelpressError as error:
                told = f"refused: {error}"
            except Exception as error:  # noqa: BLE001  whatever it is, the test is to say it
                told = f"failed: {error!r}"
            orders.send(told)
