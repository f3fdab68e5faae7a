"""Workers never touch MLflow: they do not even import it."""

from __future__ import annotations

import pytest

from labelpress.cluster import open_cluster
from labelpress.stages.record import keep_record
from labelpress.stages.train import train_model

pytestmark = [pytest.mark.remote]


def test_no_worker_has_imported_mlflow_after_all_stages(project):
    """Two periods with an edit in between, on a process that begins without it."""

    def mlflow_here(_item):
        import sys  # noqa: PLC0415  it is the worker's that counts

        return [name for name in sys.modules if name.partition(".")[0] == "mlflow"]

    project.configure("[experts]", "[gate]\nmax_churn = 1.0\n[experts]")
    with open_cluster(workers=1) as cluster:
        for period in ("2026-03-02", "2026-03-09"):
            printed = project.print(cluster, period)
            assert printed.version is not None
            trained = train_model(
                printed.run, printed.gated.manifest, printed.candidate.answers, cluster
            )
            keep_record(
                printed.run,
                printed.gated.manifest,
                version=printed.version,
                held=(),
                trained=trained,
                promotion=None,
                asks=0,
            )
            if period == "2026-03-02":
                project.edit("> 5 and", "> 4 and")
        cluster.take_usage()
        found = cluster.map(mlflow_here, {"the worker": None})
        (row,) = cluster.take_usage().table

    assert row.worker.startswith("tcp://"), "a worker in this process shares what it has imported"
    assert found == {"the worker": []}
