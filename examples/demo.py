"""
The demo: three weekly printings of the tumour example, and what each cost.

Run by `make demo`. Everything stays in `examples/tumour`; running it twice prints nothing new.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from examples.tumour.weeks import PERIODS, write_until
from flows.relabel import relabel
from labelpress.amounts import usd_text
from labelpress.certify import Certificate
from labelpress.cli.bootstrapping import bootstrap_project
from labelpress.cluster import open_cluster
from labelpress.ledger import Costs, sum_costs
from labelpress.manifest import folder, read_manifest
from labelpress.project import read_project
from labelpress.store import Store
from labelpress.summary import accuracy_text
from labelpress.tracking import Tracking

FOLDER = Path(__file__).parent / "tumour"
MLFLOW_ADDRESS = "http://127.0.0.1:5000"
"""Where `make ui` shows MLflow."""
console = Console(width=140)


def main() -> None:
    """Run the three periods and print what came of them."""
    warnings.filterwarnings("ignore", category=UserWarning, module="distributed")
    started = time.perf_counter()
    write_until(FOLDER, PERIODS[0])
    project = read_project(str(FOLDER))
    store = Store(project.store_uri)
    if not store.labels.versions():
        bootstrap_project(str(FOLDER), PERIODS[0].isoformat(), console)
    with open_cluster() as cluster:
        for period in PERIODS:
            write_until(FOLDER, period)
            relabel(str(FOLDER), period=period.isoformat(), cluster=cluster.address)
    console.print(history(store))
    console.print(f"{time.perf_counter() - started:.0f} s.", highlight=False)
    last = store.labels.versions()[-1]
    report = Path(store.files.join(folder(last.run))) / "report.html"
    chart = Tracking(project.tracking_uri, project.name).chart(MLFLOW_ADDRESS)
    console.print(
        "The experts' answers are simulated: an oracle read the gold column. By that column "
        f"{right_by_gold(store):.1%} of the last\nversion's labels are right; certified are those "
        "that programs gave, before answers replaced some.\n\n"
        f"labels   {store.files.join('labels')}  (Delta; labelpress.read_labels reads it)\n"
        f"report   {report.as_uri()}\n"
        f"MLflow   {chart}\n"
        "         the cost of every period as a chart, while `make ui` runs",
        highlight=False,
        soft_wrap=True,
    )


def right_by_gold(store: Store) -> float:
    """Return the share of the published labels that the gold column bears out."""
    gold = pl.read_parquet(FOLDER / "data").select(row_id="case_id", gold="gold")
    labels = store.labels.read().collect().join(gold, on="row_id").drop_nulls("label")
    return labels.select((pl.col("label") == pl.col("gold")).mean()).item()


def history(store: Store) -> Table:
    """Return the table of all printings."""
    table = Table(title="What was printed, and what it cost")
    headings = ("period", "version", "rows", "coverage", "label accuracy", "model", "cells", "USD")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "period" else "right")
    ledger = store.ledger.read()
    for version in store.labels.versions():
        manifest = read_manifest(store.files, version.run)
        if manifest is None:
            continue
        rows = sum(entry.rows for entry in manifest.entries)
        labelled = sum(entry.counts.labelled for entry in manifest.entries)
        costs: Costs = sum_costs(ledger.filter(pl.col("period") == version.period))
        table.add_row(
            version.period,
            str(version.version),
            str(rows),
            f"{labelled / rows:.1%}",
            accuracy_text(Certificate.from_json(manifest.certificate)),
            _model_accuracy(store, version.run),
            f"{manifest.cells_computed} new, {manifest.cells_reused} reused",
            usd_text(costs.total_usd, short=True),
        )
    return table


def _model_accuracy(store: Store, run: str) -> str:
    record = store.files.read_json(f"{folder(run)}/record.json")
    accuracy = record.get("model_accuracy")
    return "" if accuracy is None else f"{accuracy:.1%}"


if __name__ == "__main__":
    main()
