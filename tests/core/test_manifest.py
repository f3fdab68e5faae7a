"""Manifests of other formats."""

from __future__ import annotations

import pytest

from labelpress.errors import StoreError
from labelpress.manifest import read_manifest
from labelpress.tables.files import Files


@pytest.mark.parametrize("content", [{"format": 2}, {}, {"format": "1"}])
def test_a_manifest_of_another_format_is_refused(tmp_path, content):
    """By name and number, before anything in it is taken for what it is not."""
    files = Files(str(tmp_path))
    files.write_json("runs/r1/manifest.json", content)

    with pytest.raises(StoreError, match=r"runs/r1/manifest.json has format .* up to 1"):
        read_manifest(files, "r1")


def test_a_run_without_a_manifest_has_none(tmp_path):
    """It did not get that far."""
    assert read_manifest(Files(str(tmp_path)), "r1") is None
