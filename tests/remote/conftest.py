"""What the remote tests share: one arena of servers, and one object store."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.remote.fire.arena import Arena, opened
from tests.remote.fire.bucket import s3_server, upload
from tests.remote.fire.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(name="arena", scope="session")
def _arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """A Prefect server and a fork server that are kept warm."""
    with opened(tmp_path_factory.mktemp("arena")) as arena:
        yield arena


@pytest.fixture(name="s3", scope="session")
def _s3() -> Iterator[tuple[str, dict[str, str]]]:
    """An object store with one bucket, and the credentials for it."""
    pytest.importorskip("moto", reason="moto plays the object store: pip install 'moto[s3]'")
    with s3_server() as (endpoint, credentials):
        yield endpoint, credentials


@pytest.fixture(name="endpoint")
def _endpoint(s3: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> str:
    """The object store's address; the credentials are in the environment."""
    endpoint, credentials = s3
    for name, value in credentials.items():
        monkeypatch.setenv(name, value)
    return endpoint


@pytest.fixture(name="folder")
def _folder() -> str:
    """A place in the bucket that no other test, and no earlier session, has used."""
    return f"s3://bucket/{uuid.uuid4().hex}"


@pytest.fixture(name="target")
def _target(tmp_path, empty_tracking) -> Target:
    """A project whose source is new in every period."""
    empty_tracking(tmp_path / "mlflow.db")
    target = Target(tmp_path / "reviews", f"sqlite:///{tmp_path / 'mlflow.db'}")
    target.write()
    return target


@pytest.fixture(name="bucketed")
def _bucketed(target, s3, folder) -> tuple[Target, str, dict[str, str]]:
    """A project, where it lies in the bucket, and the environment of its runs."""
    endpoint, credentials = s3
    return target, folder, credentials | {"AWS_ENDPOINT_URL": endpoint}


@pytest.fixture(name="upload")
def _upload(endpoint) -> Callable[[Target, str, str], None]:
    """Copy a project with a period's rows into the bucket."""

    def put(target: Target, place: str, period: str) -> None:
        target.renew(period)
        upload(endpoint, target.path, place)

    return put
