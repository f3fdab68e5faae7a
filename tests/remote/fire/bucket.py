"""A bucket on a server that speaks S3, and credentials that must never be seen anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWN_SERVER = "LABELPRESS_TEST_S3"
"""Names the endpoint of an object store to try, with credentials as usual; moto else plays it."""

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "planted-94c1-never-to-be-seen",
    "AWS_REGION": "us-east-1",
}
SECRET = CREDENTIALS["AWS_SECRET_ACCESS_KEY"].encode()

# In a process of its own: delta-rs keeps Python's lock while it waits for an answer.
_SERVER = """
import sys
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://{}:{}".format(*server.get_host_and_port()), flush=True)
sys.stdin.read()
"""


@contextmanager
def s3_server() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the endpoint of a server with one bucket, and the credentials for it."""
    if OWN_SERVER in os.environ:
        _make_bucket(os.environ[OWN_SERVER])
        names = [name for name in os.environ if name.startswith("AWS_")]
        yield os.environ[OWN_SERVER], {name: os.environ[name] for name in names}
        return
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        endpoint = server.stdout.readline().strip()
        _make_bucket(endpoint)
        yield endpoint, CREDENTIALS
        server.kill()


def s3_system(endpoint: str) -> Any:
    """Return the bucket's file system, with nothing cached."""
    import s3fs  # noqa: PLC0415

    return s3fs.S3FileSystem(
        endpoint_url=endpoint,
        key=os.environ.get("AWS_ACCESS_KEY_ID", CREDENTIALS["AWS_ACCESS_KEY_ID"]),
        secret=os.environ.get("AWS_SECRET_ACCESS_KEY", CREDENTIALS["AWS_SECRET_ACCESS_KEY"]),
        skip_instance_cache=True,
        use_listings_cache=False,
    )


def upload(endpoint: str, folder: Path, place: str) -> None:
    """Copy what lies in a folder, store and all, into the bucket."""
    system = s3_system(endpoint)
    for file in sorted(folder.rglob("*.*")):
        if file.is_file():
            system.pipe_file(f"{place}/{file.relative_to(folder)}", file.read_bytes())


def _make_bucket(endpoint: str) -> None:
    system = s3_system(endpoint)
    if not system.exists("bucket"):
        system.mkdir("bucket")
