"""A store behind a faulty network: a run completes or fails cleanly, and readers see no part."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from labelpress.consumers import read_labels
from labelpress.errors import LabelpressError
from labelpress.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.remote, pytest.mark.timeout(600)]
SHARE = 0.2
RERUNS = 5


@contextmanager
def faulty(endpoint: str, share: float, seed: int) -> Iterator[str]:
    """Put a proxy before an object store that spoils a share of the requests."""
    command = [sys.executable, "-m", "tests.remote.fire.proxy", endpoint, str(share), str(seed)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as proxy:
        assert proxy.stdout is not None
        try:
            yield proxy.stdout.readline().strip()
        finally:
            proxy.kill()


class Reader(threading.Thread):
    """Reads the current labels again and again, and notes whatever is not whole."""

    def __init__(self, uri: str, options: dict[str, str], sizes: set[int]) -> None:
        super().__init__(daemon=True)
        self.torn: list[str] = []
        self.reads = 0
        self._uri, self._options, self._sizes = uri, options, sizes
        self._over = threading.Event()

    def run(self) -> None:
        """Read until told to stop; what is not yet there is no fault."""
        while not self._over.wait(0.05):
            try:
                labels = read_labels(self._uri, storage_options=self._options).collect()
            except LabelpressError as error:
                if self.reads:
                    self.torn.append(repr(error))
                continue
            self.reads += 1
            if labels.height not in self._sizes or not labels["row_id"].is_unique().all():
                self.torn.append(f"{labels.height} rows")

    def stop(self) -> None:
        """End it."""
        self._over.set()
        self.join()


@pytest.fixture(name="place")
def _place(project, endpoint, tmp_path):
    """The small project with its store in the bucket; the endpoint is still to be named."""
    uri = f"s3://bucket/{tmp_path.name}/store"
    project.configure(
        "[classes]",
        f'[store]\nuri = "{uri}"\nstorage_options = {{ endpoint_url = "{endpoint}" }}\n[classes]',
    )
    return uri


@pytest.mark.parametrize("seed", [1, 2])
def test_a_fifth_of_the_requests_going_wrong_costs_no_label(
    project, cluster, endpoint, place, seed
):
    """Delays, cuts before and after the deed, 500 and 503; a rerun cures what fails."""
    reader = Reader(place, {"endpoint_url": endpoint}, {12, 16})
    reader.start()
    periods = ["2026-03-02", "2026-03-09"]
    try:
        with faulty(endpoint, SHARE, seed) as spoilt:
            project.configure(f'"{endpoint}"', f'"{spoilt}"')
            for period in periods:
                _until_printed(project, cluster, period)
                project.write(
                    "day-4.parquet",
                    project.frame("day-1.parquet").with_columns(
                        id="d" + project.frame("day-1.parquet")["id"]
                    ),
                )
    finally:
        reader.stop()

    store = Store(place, {"endpoint_url": endpoint})
    assert [(v.period, v.printing) for v in store.labels.versions()] == [(p, 1) for p in periods]
    assert store.labels.read().collect()["row_id"].is_unique().all()
    assert store.asks.read()["ask_id"].is_unique().all()
    assert reader.reads > 0
    assert reader.torn == []


def _until_printed(project, cluster, period):
    """Run as somebody would who reads the error and runs again."""
    for _ in range(RERUNS):
        try:
            if project.open(period).slot.action == "print":
                project.print(cluster, period)
        except LabelpressError as error:
            assert "again" in str(error) or "version" in str(error)  # noqa: PT017  clean
        else:
            return
    pytest.fail(f"{period} is not printed after {RERUNS} runs")
