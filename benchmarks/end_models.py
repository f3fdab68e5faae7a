"""
End models on synthetic tickets: how many rows help, what streaming costs, and how rows are scored.

    python -m benchmarks.end_models                     (1 million rows)
    python -m benchmarks.end_models --rows 50000        (a trial; writes nothing)

Each model is fitted in a process of its own, on a worker of its own, so that peak memory is its
own. The truth of the tickets judges; it is never trained on.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.own_process import measure_alone
from labelpress.cluster import open_cluster
from labelpress.project import read_project
from labelpress.runs import open_run

if TYPE_CHECKING:
    from labelpress.runs import Run

ROOT: Final = Path(__file__).parents[1]
OUT: Final = Path(__file__).parent / "out" / "end_models.json"
ROWS: Final = 1_000_000
SHARES: Final = (0.01, 0.04, 0.2, 1.0)
"""Of the rows, as `max_rows`."""


def main() -> None:
    """Measure, print, and write the figures where they are the full ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--max-rows", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        logging.disable(logging.WARNING)
        done = WORK[asked.only](Path(asked.folder), asked.max_rows)
        print(json.dumps(done))
        return
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "tickets"
        print_labels(project, asked.rows)
        results: list[dict[str, Any]] = []
        for share in SHARES:
            rows = int(asked.rows * share)
            results.append(in_process("memory", project, rows))
            say(results[-1])
        results.append(in_process("stream", project, asked.rows))
        say(results[-1])
        for way in ("score by partition", "score by ParallelPostFit"):
            results.append(in_process(way, project, int(asked.rows * 0.04)))
            say(results[-1])
    if asked.rows == ROWS:
        OUT.write_text(json.dumps({"results": results}, indent=1) + "\n")


def print_labels(project: Path, rows: int) -> None:
    """Write the tickets, have a pilot drop audited, and publish labels of all."""
    from benchmarks.audited_tickets import print_period  # noqa: PLC0415
    from benchmarks.whole_run import write_project  # noqa: PLC0415
    from examples.tickets.weeks import WEEKS  # noqa: PLC0415

    write_project(project, rows, None)
    with open_cluster(workers=2) as cluster:
        print_period(project, str(WEEKS[1]), cluster)


def in_process(what: str, folder: Path, max_rows: int) -> dict[str, Any]:
    """Do one thing in a process of its own and return what it measured."""
    return measure_alone(
        "end_models", "--only", what, "--folder", str(folder), "--max-rows", str(max_rows)
    )


def fit(folder: Path, max_rows: int, solver: str) -> dict[str, Any]:
    """Fit the end model by one solver; return how right it is and what that took."""
    from labelpress.manifest import read_answers  # noqa: PLC0415
    from labelpress.stages.train import train_model  # noqa: PLC0415

    run = opened(folder, max_rows, solver)
    manifest = run.base_manifest
    assert manifest is not None
    answers = read_answers(run.store.files, manifest.run)
    with open_cluster(workers=2) as cluster:
        started = time.perf_counter()
        trained = train_model(run, manifest, answers, cluster)
        wall = time.perf_counter() - started
        usage = cluster.take_usage()
    assert trained is not None
    assert trained.evaluation is not None
    (folder / "model.skops").write_bytes(trained.content)
    return {
        "what": solver,
        "rows": trained.rows,
        "accuracy": round(trained.evaluation.accuracy, 4),
        "log_loss": round(trained.evaluation.log_loss, 4),
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(usage.cpu_seconds, 1),
        "peak_mib": round(usage.peak_memory_bytes / 2**20),
        "mix": trained.mix,
        "sweep": trained.sweep.sentence if trained.sweep else "",
    }


def in_memory(folder: Path, max_rows: int) -> dict[str, Any]:
    """Fit with all training rows at once."""
    return fit(folder, max_rows, "memory")


def streamed(folder: Path, max_rows: int) -> dict[str, Any]:
    """Fit block by block."""
    return fit(folder, max_rows, "stream")


def opened(folder: Path, max_rows: int, solver: str) -> Run:
    """Open a run on the published labels, with other settings of the end model."""
    project = read_project(str(folder))
    end_model = project.settings.end_model.model_copy(
        update={"max_rows": max_rows, "solver": solver}
    )
    settings = project.settings.model_copy(update={"end_model": end_model})
    run = open_run(project, period="2026-01-12")
    return replace(run, project=replace(project, settings=settings))


def score_by_partition(folder: Path, max_rows: int) -> dict[str, Any]:
    """Score all rows as the stage does: one partition's rows and file at a time."""
    from labelpress.stages.score import PartToScore, Scorer, score_partition  # noqa: PLC0415
    from labelpress.stages.vote import voting  # noqa: PLC0415

    run = opened(folder, max_rows, "memory")
    manifest = run.base_manifest
    assert manifest is not None
    content = (folder / "model.skops").read_bytes()
    columns = run.project.settings.end_model.features.columns
    types = {name: manifest.types[name] for name in columns}
    scorer = Scorer(content, (), types, {}, voting(manifest.heuristics), run.classes)
    jobs = {
        p.part: PartToScore(p, (), None, f"predictions/trial/{place}.parquet")
        for place, p in enumerate(manifest.partitions)
    }
    with open_cluster(workers=2) as cluster:
        started = time.perf_counter()
        rows = cluster.map(score_partition, jobs, run.store.files, scorer)
        wall = time.perf_counter() - started
        usage = cluster.take_usage()
    return {
        "what": "score by partition",
        "rows": sum(rows.values()),
        "wall_seconds": round(wall, 1),
        "peak_mib": round(usage.peak_memory_bytes / 2**20),
    }


def score_by_parallel_post_fit(folder: Path, max_rows: int) -> dict[str, Any]:
    """Score all rows with dask-ml: frames by partition, one array of probabilities, written."""
    import resource  # noqa: PLC0415

    import dask.dataframe as dd  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415
    from dask_ml.wrappers import ParallelPostFit  # noqa: PLC0415
    from distributed import Client, LocalCluster  # noqa: PLC0415

    run = opened(folder, max_rows, "memory")
    manifest = run.base_manifest
    assert manifest is not None
    columns = list(run.project.settings.end_model.features.columns)
    model = PandasModel((folder / "model.skops").read_bytes())
    target = folder / "store" / "predictions" / "parallel"
    local = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    with local, Client(local) as client:
        started = time.perf_counter()
        frame = dd.read_parquet(
            [p.file.uri for p in manifest.partitions], columns=columns, split_row_groups=False
        )
        meta = pd.DataFrame({name: pd.Series(dtype="float64") for name in run.classes.names})
        wrapped = ParallelPostFit(estimator=model, predict_proba_meta=meta)
        wrapped.classes_ = list(run.classes.names)
        wrapped.predict_proba(frame).to_parquet(str(target))
        wall = time.perf_counter() - started
        peaks = client.run(lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return {
        "what": "score by ParallelPostFit",
        "rows": manifest.rows,
        "wall_seconds": round(wall, 1),
        "peak_mib": round(max(peaks.values()) / 2**10),
    }


class PandasModel:
    """The same end model, as dask-ml calls it: pandas frames in and out."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._model: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"content": self.content, "_model": None}

    def predict_proba(self, frame: Any) -> Any:
        """Return a column per class."""
        import pandas as pd  # noqa: PLC0415
        import polars as pl  # noqa: PLC0415

        from labelpress.end_model.training import TrainedModel  # noqa: PLC0415

        if self._model is None:
            self._model = TrainedModel.from_bytes(self.content)
        said = self._model.predict_proba(pl.from_pandas(frame))
        return pd.DataFrame(said, columns=list(self._model.classes), index=frame.index)


def say(result: dict[str, Any]) -> None:
    """Print one line of figures."""
    print("  ".join(f"{name}: {value}" for name, value in result.items()), flush=True)


WORK: Final = {
    "memory": in_memory,
    "stream": streamed,
    "score by partition": score_by_partition,
    "score by ParallelPostFit": score_by_parallel_post_fit,
}

if __name__ == "__main__":
    main()
