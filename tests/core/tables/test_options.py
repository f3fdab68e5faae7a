"""Storage options: one set of names for three libraries."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labelpress.tables.options import (
    credentials_in,
    delta_options,
    fsspec_options,
    polars_options,
    resolve,
)


def test_s3_options_may_be_named_as_either_library_names_them() -> None:
    """A project writes `region` or `AWS_REGION`; delta-rs and s3fs each get their own names."""
    options = {"region": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "endpoint_url": "https://x"}

    assert delta_options("s3://bucket/store", options) == {
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_ENDPOINT_URL": "https://x",
    }
    assert fsspec_options("s3://bucket/store", options) == {
        "key": "id",
        "endpoint_url": "https://x",
        "client_kwargs": {"region_name": "eu-central-1"},
        "use_listings_cache": False,
        "skip_instance_cache": True,
    }


def test_an_endpoint_over_plain_http_is_allowed_to_delta_rs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether the endpoint is an option or an environment variable."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:5000")

    from_environment = delta_options("s3://bucket", {})
    from_option = delta_options("s3://bucket", {"endpoint_url": "http://localhost:1"})

    assert from_environment is not None
    assert from_environment["AWS_ALLOW_HTTP"] == "true"
    assert from_option == {"AWS_ENDPOINT_URL": "http://localhost:1", "AWS_ALLOW_HTTP": "true"}


def test_options_that_only_delta_rs_knows_go_to_delta_rs_only() -> None:
    """s3fs would stumble over them."""
    options = {"aws_virtual_hosted_style_request": "true"}

    assert delta_options("s3://b", options) == options
    assert "aws_virtual_hosted_style_request" not in fsspec_options("s3://b", options)


def test_other_object_stores_get_their_options_unchanged() -> None:
    """We only know the names of S3."""
    assert delta_options("gs://b", {"token": "t"}) == {"token": "t"}
    assert fsspec_options("gs://b", {"token": "t"}) == {"token": "t"}


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://bucket/store/", "s3://bucket/store"),
        ("/data/store/", "/data/store"),
        ("file:///data/store", "/data/store"),
        ("store", os.path.join(str(Path.cwd()), "store")),  # noqa: PTH118
    ],
)
def test_a_uri_means_the_same_in_every_folder(uri: str, expected: str) -> None:
    """A worker in another folder would resolve a relative path elsewhere."""
    assert resolve(uri) == expected


def test_retries_are_set_once_for_three_libraries() -> None:
    """delta-rs takes them as a text, Polars as a number, s3fs as a setting of botocore."""
    options = {"max_retries": "3"}

    assert delta_options("s3://b", options) == {"max_retries": "3"}
    assert polars_options("s3://b", options) == {"max_retries": 3}
    assert fsspec_options("s3://b", options)["config_kwargs"] == {
        "retries": {"total_max_attempts": 4, "mode": "standard"}
    }


def test_credentials_are_known_by_any_of_their_names() -> None:
    """Of S3 and of other object stores; an endpoint or a region is none."""
    options = ("key", "AWS_SECRET_ACCESS_KEY", "session_token", "azure_storage_account_key")

    assert credentials_in(dict.fromkeys(options, "x")) == sorted(options)
    assert credentials_in({"endpoint_url": "x", "region": "y", "max_retries": "3"}) == []
