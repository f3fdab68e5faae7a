"""What must hold after a crash was cured, as a list of sentences about what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from mlflow import MlflowClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labelpress.store import Store


def wrongs(
    store: Store,
    periods: Sequence[str],
    tracking_uri: str,
    name: str,
    row_ids: set[str] | None = None,
) -> list[str]:
    """
    Return what is wrong with a store and its MLflow experiment, nothing if all is well.

    `periods` are those printed, in order, once each; `row_ids` are the rows that the source had
    when the last of them was printed, where that is to be compared too.
    """
    return [
        *_of_labels(store, periods, row_ids),
        *_of_events(store),
        *_of_mlflow(store, periods, MlflowClient(tracking_uri=tracking_uri), name),
    ]


def _of_labels(store: Store, periods: Sequence[str], row_ids: set[str] | None) -> Iterator[str]:
    versions = store.labels.versions()
    printed = [(version.period, version.printing) for version in versions]
    if printed != [(period, 1) for period in periods]:
        yield f"printed are {printed}, wanted one version of each of {list(periods)}"
    for version in versions:
        if not store.labels.read(version.version).collect()["row_id"].is_unique().all():
            yield f"version {version.version} holds a row twice"
    if row_ids is not None and versions:
        held = set(store.labels.read(versions[-1].version).collect()["row_id"])
        if held != row_ids:
            yield f"rows lost: {sorted(row_ids - held)}; rows too many: {sorted(held - row_ids)}"


def _of_events(store: Store) -> Iterator[str]:
    asks, answers, ledger = store.asks.read(), store.answers.read(), store.ledger.read()
    for what, frame in (
        ("an ask", asks.select("ask_id")),
        ("a row asked", asks.select("row_id")),
        ("an answer", answers.select("ask_id", "annotator")),
        ("a line of the ledger", ledger.drop("booked")),
    ):
        if not frame.is_unique().all():
            yield f"{what} is there twice"
    booked = ledger.filter(pl.col("what") == "answers")["quantity"].sum()
    if booked != answers.height:
        yield f"{booked} answers are booked, {answers.height} came in"


def _of_mlflow(
    store: Store, periods: Sequence[str], client: MlflowClient, name: str
) -> Iterator[str]:
    versions = [version.version for version in store.labels.versions()]
    experiment = client.get_experiment_by_name(name)
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    printings = [run for run in runs if run.data.tags.get("labelpress.kind") != "ledger"]
    recorded = sorted(run.data.tags["labelpress.period"] for run in printings)
    if recorded != sorted(periods):
        yield f"MLflow has runs of {recorded}"
    if len(runs) != len(printings) + 1:
        yield f"MLflow has {len(runs) - len(printings)} ledger runs"
    open_runs = [run.info.run_name for run in runs if run.info.status != "FINISHED"]
    if open_runs:
        yield f"MLflow runs are not finished: {open_runs}"
    models = client.search_model_versions(f"name = '{name}'")
    trained_on = sorted(int(model.tags["labelpress.label_version"]) for model in models)
    if trained_on != versions:
        yield f"models were trained on versions {trained_on} of {versions}"
    decided = store.decisions.read().filter(pl.col("kind").is_in(["champion", "challenger"]))
    if sorted(decided["label_version"].to_list()) != versions:
        yield f"models of {sorted(decided['label_version'].to_list())} were decided on"
