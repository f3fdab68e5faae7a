"""Permissions: no more is written or deleted than the table in docs/operations.md says."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelpress.accounting import accounted
from labelpress.consumers import read_labels
from labelpress.decisions import Decision, decide
from labelpress.dossier.contents import make_dossier
from labelpress.dossier.verifying import write_dossier
from labelpress.erasure.forgetting import forget_rows
from labelpress.maintenance.sweeping import maintain_store
from labelpress.manifest import read_answers
from labelpress.retention import RetentionSettings
from labelpress.runs import open_retraining
from labelpress.stages.promote import promote_model
from labelpress.stages.score import score_rows
from labelpress.stages.train import train_model
from labelpress.tracking import ModelVersion
from tests.registry import Registry

DOCS = Path(__file__).parents[2] / "docs" / "operations.md"


def _table():
    """The rights by flow and prefix, as the docs give them."""
    section = DOCS.read_text().partition("## Permissions")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    flows = [name.strip(" `") for name in rows[0][1:]]
    rights = {}
    for first, *cells in rows[2:]:
        for prefix in first.split(","):
            for flow, cell in zip(flows, cells, strict=True):
                rights[flow, prefix.strip(" `/")] = set(cell.strip(" -"))
    return rights


def _state(project):
    store = project.path / "store"
    found = [path for path in store.rglob("*") if path.is_file()]
    return {str(path.relative_to(store)): path.stat().st_mtime_ns for path in found}


def _forget(project, _cluster):
    forget_rows(project.store, ["a1"], who="kim", why="x")


def _maintain(project, _cluster):
    maintain_store(project.store, RetentionSettings(), lambda _done, _all: None)


def _rollback(project, _cluster):
    decide(project.store.decisions, Decision("rollback", "kim", "x", label_version=1), batch="r")
    project.store.labels.restore(1, "x", "kim")


def _audit(project, _cluster):
    write_dossier(make_dossier(project.store, 1), project.store.files.join("dossiers/v1.zip"), {})


def _retrain(project, cluster):
    found = open_retraining(project.read(), None, flow_run="again")
    run, manifest, registry = found.run, found.manifest, Registry()
    with accounted(run, "train", cluster):
        answers = read_answers(run.store.files, manifest.run)
        trained = train_model(run, manifest, answers, cluster)
    registry.kept["1"] = trained.content
    model = ModelVersion("reviews", "1", "a-run", {})
    promote_model(run, manifest, found.version, model, trained, registry, cluster, batch="again")
    crowned = Decision("champion", "kim", "x", label_version=1, model="1")
    decide(run.store.decisions, crowned, batch="crown")
    score_rows(run, run.base_manifest, run.base, registry, cluster)


ACTS = {
    "relabel": lambda project, cluster: project.print(cluster, "2026-03-16"),
    "retrain": _retrain,
    "rollback, lift": _rollback,
    "audit": _audit,
    "maintain": _maintain,
    "forget": _forget,
    "read_labels": lambda project, _cluster: read_labels(project.store.uri).collect(),
}


@pytest.mark.parametrize("flow", ACTS)
def test_nothing_is_touched_but_what_the_table_allows(project, cluster, flow):
    """Files that came, changed or went, by prefix."""
    project.print(cluster)
    project.print(cluster, "2026-03-09")
    before = _state(project)
    ACTS[flow](project, cluster)
    after = _state(project)

    rights = _table()
    written = {path for path, moment in after.items() if before.get(path) != moment}
    for path in written:
        assert "w" in rights[flow, path.partition("/")[0]], (flow, path)
    for path in before.keys() - after.keys():
        assert "d" in rights[flow, path.partition("/")[0]], (flow, path)
    assert bool(written) == (flow not in {"read_labels", "maintain"})
