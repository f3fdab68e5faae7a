"""Storage options: one set of names for delta-rs, Polars and fsspec, which differ in spelling."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_S3 = {
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "key": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "secret": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
    "token": "AWS_SESSION_TOKEN",
    "endpoint_url": "AWS_ENDPOINT_URL",
    "endpoint": "AWS_ENDPOINT_URL",
    "region": "AWS_REGION",
    "default_region": "AWS_REGION",
    "region_name": "AWS_REGION",
}
_SECRET = re.compile(
    "secret|password|token|credential|account_key|sas_key|service_account_key", re.IGNORECASE
)
_RETRIES = "max_retries"
_S3FS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
    "AWS_ENDPOINT_URL": "endpoint_url",
}


def protocol(uri: str) -> str:
    """Return the protocol of a URI; `file` for a path."""
    return uri.partition("://")[0] if "://" in uri else "file"


def resolve(uri: str) -> str:
    """
    Return a URI without a slash at its end, and a local folder as an absolute path.

    A Dask worker runs in another folder: a relative path would mean another store there.
    """
    if protocol(uri) == "file":
        return str(Path(uri.removeprefix("file://")).expanduser().absolute())
    return uri.rstrip("/")


def delta_options(uri: str, options: Mapping[str, str]) -> dict[str, str] | None:
    """
    Return the options as delta-rs takes them; None for a local folder.

    On S3 the names of s3fs and those without `AWS_` are understood too, in any case. Plain HTTP
    is allowed where the endpoint says so, as delta-rs refuses it otherwise.
    """
    if protocol(uri) == "file":
        return None
    if protocol(uri) not in {"s3", "s3a"}:
        return dict(options)
    found = {_canonical(name): value for name, value in options.items()}
    endpoint = found.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL", "")
    if endpoint.startswith("http://"):
        found.setdefault("AWS_ENDPOINT_URL", endpoint)
        found.setdefault("AWS_ALLOW_HTTP", "true")
    return found


def credentials_in(options: Mapping[str, Any]) -> list[str]:
    """Return the names of options that hold credentials, in order."""
    named = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    return sorted(n for n in options if _canonical(n) in named or _SECRET.search(n))


def polars_options(uri: str, options: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the options as Polars takes them: as delta-rs does, but with numbers as numbers."""
    found = delta_options(uri, options)
    if found is None or _RETRIES not in found:
        return None if found is None else dict(found)
    return found | {_RETRIES: int(found[_RETRIES])}


def fsspec_options(uri: str, options: Mapping[str, str]) -> dict[str, Any]:
    """
    Return the options as the fsspec file system of the URI takes them.

    On S3 listings are never cached and no instance is shared: a cached listing hides the files
    that another writer has just added.
    """
    if protocol(uri) not in {"s3", "s3a"}:
        return dict(options)
    canonical = {_canonical(name): value for name, value in options.items()}
    found: dict[str, Any] = {
        _S3FS[name]: value for name, value in canonical.items() if name in _S3FS
    }
    if "AWS_REGION" in canonical:
        found["client_kwargs"] = {"region_name": canonical["AWS_REGION"]}
    if _RETRIES in canonical:
        tries = {"total_max_attempts": int(canonical[_RETRIES]) + 1, "mode": "standard"}
        found["config_kwargs"] = {"retries": tries}
    return found | {"use_listings_cache": False, "skip_instance_cache": True}


def _canonical(name: str) -> str:
    lower = name.lower().removeprefix("aws_")
    return _S3.get(lower, name)
