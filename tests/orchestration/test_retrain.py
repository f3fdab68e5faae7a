"""The retrain flow: a model anew from any label version, judged as any other."""

from __future__ import annotations

import pytest
from mlflow import MlflowClient

from flows.relabel import relabel
from flows.retrain import retrain
from labelpress import read_predictions
from labelpress.errors import StoreError

FIRST, SECOND = "2026-03-02", "2026-03-09"


def test_an_earlier_version_teaches_a_model_of_its_own(project, cluster):
    """It names the version, the code and the cost, and the champion's predictions are there."""
    project.configure("[experts]", "[gate]\nmax_churn = 1.0\n[experts]")
    # answers by which a first model beats the class prior
    project.draw_by(seed=2)
    for period in (FIRST, SECOND):
        relabel(str(project.path), period=period, cluster=cluster.address)
        project.write("day-4.parquet", [("d1", "subscribe please", 1, "spam")])
    first, second = project.published()

    promotion = retrain(str(project.path), version=first.version, cluster=cluster.address)

    client = MlflowClient(tracking_uri=project.read().tracking_uri)
    models = {int(m.version): m for m in client.search_model_versions("name = 'reviews'")}
    tags = models[3].tags
    assert promotion.model == "3"
    assert tags["labelpress.label_version"] == str(first.version)
    assert tags["labelpress.code_version"].startswith("labelpress 0.1.0, project ")
    assert float(tags["labelpress.cost_usd"]) >= float(tags["labelpress.training_usd"]) > 0
    assert models[1].tags["labelpress.code_version"] == tags["labelpress.code_version"]
    run = client.get_run(models[3].run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["labelpress.kind"] == "retraining"
    decisions = project.store.decisions.read()
    assert decisions.filter(decisions["model"] == "3")["label_version"].to_list() == [first.version]
    serving = client.get_model_version_by_alias("reviews", "champion").version
    predicted = read_predictions(project.read().store_uri, model=str(serving)).collect()
    assert predicted.height == 13
    assert second.version > first.version


def test_a_version_that_does_not_exist_is_refused(project, cluster):
    """Before anything is trained."""
    relabel(str(project.path), period=FIRST, cluster=cluster.address)

    with pytest.raises(StoreError, match="99"):
        retrain(str(project.path), version=99, cluster=cluster.address)
