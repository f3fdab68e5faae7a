"""Opening a cluster: by address, by a class that project.toml names, or on this machine."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any

import dask
from distributed import Client, LocalCluster
from threadpoolctl import threadpool_limits

from labelpress.cluster.running import Cluster
from labelpress.cluster_settings import WAIT_SECONDS
from labelpress.errors import ClusterError
from labelpress.worker_versions import PACKAGES, version_skew

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelpress.cluster_settings import ClusterSettings

_WORKER_ENVIRONMENT = {
    "DASK_LOGGING__DISTRIBUTED": "warning",
    # Dask looks at itself every 10 to 20 ms, which nobody reads here.
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "false",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
    "POLARS_MAX_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ARROW_NUM_THREADS": "1",
    # Partitions are alike, so memory that one has let go is what the next one takes: kept for a
    # while, it need not be asked for and zeroed page by page again.
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
    "MALLOC_MMAP_THRESHOLD_": str(2**28),
    "MIMALLOC_PURGE_DELAY": "10000",
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:10000,muzzy_decay_ms:10000",
}
"""One partition per core: libraries that start threads of their own would fight over the cores."""

_WORKER_IMPORTS = tuple(f"labelpress.stages.{stage}" for stage in ("vote", "label", "ask"))
"""What worker processes import when they start, side by side; else the first partition of each
stage would wait for it, and what reads only a few rows would wait longer than it works. What only
training needs, scikit-learn above all, takes seconds and is left to training."""
_LOCAL = {
    "distributed.nanny.pre-spawn-environ": _WORKER_ENVIRONMENT,
    # The same of the scheduler, which takes from the cores that the workers fill.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    # After 15 s Dask would let a worker go for good whose process is just being started again,
    # and where it is killed a few times in a row, the last one too.
    "distributed.deploy.lost-worker-timeout": "365d",
}


@contextmanager
def open_cluster(
    address: str = "",
    *,
    processes: bool = True,
    workers: int = 0,
    wait_seconds: float = WAIT_SECONDS,
) -> Iterator[Cluster]:
    """
    Connect to a Dask scheduler by address, or make a local cluster for as long as the block lasts.

    A local cluster has one worker per core with one thread each: processes, or threads where
    `processes` is false (for tiny data). `wait_seconds` is how long work waits for a worker where
    there is none. Raises `ClusterError` where the workers at an address have other versions of
    what travels between them and the flow.
    """
    # Prefect's logging set-up would otherwise show every connection that Dask opens or closes.
    logging.getLogger("distributed").setLevel(logging.WARNING)
    if address:
        with _connect(address) as client:
            _check_versions(client, address)
            yield Cluster(client, wait_seconds)
        return
    count = workers or os.cpu_count() or 1
    kind: dict[str, Any] = {"n_workers": 1, "threads_per_worker": count, "processes": False}
    if processes:
        kind = {"n_workers": count, "threads_per_worker": 1, "preload": _WORKER_IMPORTS}
    with (
        nullcontext() if processes else _one_blas_thread(),
        dask.config.set(_LOCAL),
        LocalCluster(dashboard_address=":0", silence_logs=30, **kind) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield Cluster(client)


def _one_blas_thread() -> threadpool_limits:
    """
    Limit BLAS to a thread as worker processes do, here and for as long as the block lasts.

    Its threads wait for each other by spinning: fitting a small model took 8.2 s of CPU time with
    two of them on a busy machine of two cores, 1.3 s with one.
    """
    # SciPy has a BLAS of its own, and only those that are loaded can be limited.
    import scipy.linalg  # noqa: F401, PLC0415

    return threadpool_limits(limits=1, user_api="blas")


def _connect(address: str) -> Client:
    try:
        return Client(address, set_as_default=False)
    except OSError as error:
        raise ClusterError(
            f"No Dask scheduler answers at {address}: {error}. Start it, or give the address of "
            "one that runs."
        ) from error


@contextmanager
def open_project_cluster(settings: ClusterSettings, chosen: str = "") -> Iterator[Cluster]:
    """
    Open what a person chose for a run, else what project.toml says, else local processes.

    `chosen` is the address of a scheduler, `local` for processes or `threads` for threads of this
    process. Raises `ClusterError` where the cluster's class cannot be used or no worker comes.
    """
    address = "" if chosen in {"local", "threads"} else chosen or settings.address
    if settings.class_path and not chosen:
        opened = _open_made(settings)
    else:
        opened = open_cluster(
            address, processes=chosen != "threads", wait_seconds=settings.wait_seconds
        )
    with opened as cluster:
        yield cluster


@contextmanager
def _open_made(settings: ClusterSettings) -> Iterator[Cluster]:
    """Make a cluster of the class that project.toml names; it ends with the block."""
    logging.getLogger("distributed").setLevel(logging.WARNING)
    with _make(settings) as made, Client(made, set_as_default=False) as client:
        if settings.workers:
            made.scale(settings.workers)
        try:
            client.wait_for_workers(1, timeout=settings.wait_seconds)
        except TimeoutError:
            raise ClusterError(
                f"project.toml, [cluster] class: {settings.class_path} gave no worker within "
                f"{settings.wait_seconds} s. Look at its pods or jobs, or raise "
                "[cluster] wait_seconds."
            ) from None
        _check_versions(client, str(client.scheduler.address))
        yield Cluster(client, settings.wait_seconds)


def _make(settings: ClusterSettings) -> Any:
    module, _, name = settings.class_path.rpartition(".")
    where = f"project.toml, [cluster] class = {settings.class_path!r}"
    try:
        factory = getattr(import_module(module), name)
    except ImportError as error:
        raise ClusterError(f"{where}: {error}. Install it where the flow runs.") from None
    except AttributeError:
        raise ClusterError(f"{where}: the module {module} has no {name}.") from None
    try:
        return factory(**settings.arguments)
    except TypeError as error:
        # Any other error is the class's own, and says more than we could.
        raise ClusterError(f"{where}: [cluster] arguments do not fit: {error}") from None


def _check_versions(client: Client, address: str) -> None:
    """Compare before anything is sent: an unlike worker fails later, with words about pickles."""
    found = client.get_versions(packages=PACKAGES)
    workers = {name: facts["packages"] for name, facts in found["workers"].items() if facts}
    skew = version_skew(found["client"]["packages"], workers)
    if skew is not None:
        raise ClusterError(
            f"The workers of the cluster at {address} do not match the flow: {skew}. Install the "
            "same versions on both and run again; nothing was computed."
        )
