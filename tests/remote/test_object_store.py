"""A store in a bucket, through a server that speaks S3 over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from labelpress.consumers import read_labels
from labelpress.errors import PublicationRefusedError, StoreError
from labelpress.store import Store, open_store
from labelpress.tables.publication import Publication
from tests.remote.fire.bucket import SECRET, s3_system
from tests.remote.fire.proofs import wrongs
from tests.remote.fire.roles import Options
from tests.remote.fire.target import period_of

pytestmark = pytest.mark.remote

FIRST, SECOND, THIRD = "2026-01-05", "2026-01-12", "2026-01-19"


@pytest.fixture(name="store")
def _store(endpoint: str, folder: str) -> Store:
    return open_store(folder, "tickets", ["spam", "ham"], {"endpoint_url": endpoint})


def labels(prefix: str, rows: int) -> pl.DataFrame:
    """Return labels of rows `<prefix>0`, `<prefix>1`, ..."""
    return pl.DataFrame(
        {
            "row_id": [f"{prefix}{i}" for i in range(rows)],
            "label": "spam",
            "probabilities": [[1.0, 0.0]] * rows,
            "confidence": 1.0,
            "origin": "program",
            "n_votes": 1,
            "cohort": FIRST,
        }
    )


def test_files_in_a_bucket(store: Store) -> None:
    """Listings are never stale, and of many creators one is told so."""
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda i: store.files.create("claim", str(i).encode()), range(16)))

    assert sum(told) == 1
    assert store.files.names() == ("claim", "classes", "store.json")
    store.files.delete("claim")
    assert store.files.names() == ("classes", "store.json")
    assert store.files.size("classes") is None
    assert store.registered_classes().names == ("spam", "ham")


def test_label_versions_in_a_bucket(store: Store, endpoint: str) -> None:
    """Printed, replaced, refused, rolled back and read, with a partition of an awkward name."""
    part, table = "2026/é b=1%.parquet", store.labels
    table.create("string")
    first = (table.write(part, "r1", labels("a", 3)), table.write("b", "r1", labels("b", 4)))
    table.publish(Publication("r1", FIRST, 1, None, first))
    table.publish(Publication("r2", SECOND, 1, 1, (table.write(part, "r2", labels("a", 5)),)))

    with pytest.raises(PublicationRefusedError, match=r"label version 2 .*run r2"):
        table.publish(Publication("r3", SECOND, 1, 2, ()))
    assert table.restore(1, "bad labels", "ann").version == 3

    options = {"endpoint_url": endpoint}
    now = read_labels(store.uri, storage_options=options)
    then = read_labels(store.uri, period=SECOND, storage_options=options)
    assert dict(now.group_by("part").len().collect().iter_rows()) == {part: 3, "b": 4}
    assert then.filter(pl.col("part") == part).collect()["row_id"].n_unique() == 5


def test_one_of_six_racing_runs_is_published(store: Store) -> None:
    """A conditional put makes the commit a compare-and-swap."""
    table = store.labels
    table.create("string")

    def publish(number: int) -> str:
        try:
            return str(table.publish(Publication(f"r{number}", FIRST, 1, None, ())).version)
        except PublicationRefusedError as error:
            return str(error)

    with ThreadPoolExecutor(6) as pool:
        outcomes = sorted(pool.map(publish, range(6)), key=len)

    assert outcomes[0] == "1"
    assert all("label version 1 (" in outcome for outcome in outcomes[1:])


def test_events_in_a_bucket(store: Store) -> None:
    """Three batches, each appended by several writers, land once each."""
    rows = store.asks.schema.to_frame().clear(1)

    with ThreadPoolExecutor(6) as pool:
        landed = list(pool.map(lambda i: store.asks.append(rows, f"batch {i % 3}"), range(9)))

    assert sum(landed) == 3
    assert store.asks.read().height == 3


def test_a_bucket_that_does_not_exist_is_named(endpoint: str) -> None:
    """Before anything else is done."""
    with pytest.raises(StoreError, match=r"s3://none/store.* Check that the place exists"):
        open_store("s3://none/store", "tickets", ["spam"], {"endpoint_url": endpoint})


def test_a_project_with_source_and_store_in_a_bucket(project, cluster, endpoint, folder):
    """Two periods from answers to ask; the second finds the new file and reuses all else."""
    bucket = s3_system(endpoint)
    options = f'storage_options = {{ endpoint_url = "{endpoint}" }}'
    project.configure('uri = "data/"', f'uri = "{folder}/data/"\n{options}')
    project.configure("[classes]", f'[store]\nuri = "{folder}/store"\n{options}\n[classes]')
    project.write("day-4.parquet", [("d1", "subscribe at once", 1, "spam")])
    late = project.path / "data" / "day-4.parquet"
    early = [file for file in sorted(late.parent.iterdir()) if file != late]
    for file in early:
        bucket.pipe_file(f"{folder}/data/{file.name}", file.read_bytes())

    first = project.print(cluster, FIRST)
    bucket.pipe_file(f"{folder}/data/day-4.parquet", late.read_bytes())
    second = project.print(cluster, SECOND)

    assert first.gated.manifest.cells_computed == 4 * 3
    assert second.gated.manifest.cells_computed == 4
    store = second.run.store
    assert [v.period for v in store.labels.versions()] == [FIRST, SECOND]
    labels = read_labels(store.uri, storage_options={"endpoint_url": endpoint}).collect()
    assert labels["row_id"].is_unique().all()
    assert labels.height == 13
    assert labels.filter(pl.col("row_id") == "d1")["label"].to_list() == ["spam"]
    assert not (project.path / "store").exists()


def test_a_whole_run_with_project_source_and_store_in_a_bucket(
    bucketed, upload, arena, monkeypatch
):
    """By the flow, from an endpoint and credentials that only the environment names."""
    target, place, environment = bucketed
    period = period_of(0)
    upload(target, place, period)

    state, message = arena.start_run(place, period, Options(environment=environment)).wait(200)

    assert state == "Completed", message
    monkeypatch.setenv("AWS_ENDPOINT_URL", environment["AWS_ENDPOINT_URL"])
    store = Store(f"{place}/store")
    assert wrongs(store, [period], target.tracking_uri, target.name, target.row_ids()) == []
    for kept in (arena.folder, target.path.parent):
        for file in filter(Path.is_file, kept.rglob("*")):
            assert SECRET not in file.read_bytes(), f"the secret key is in {file}"
    bucket = s3_system(environment["AWS_ENDPOINT_URL"])
    for path in bucket.find(place):
        assert SECRET not in bucket.cat_file(path), f"the secret key is in {path}"
