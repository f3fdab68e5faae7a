"""The flow `audit`: one file per version, where it was asked for or in the store."""

from __future__ import annotations

import json

from flows.audit import audit
from labelpress.dossier.verifying import read_dossier, verify


def test_the_flow_writes_a_dossier_that_verifies(project, cluster, tmp_path):
    """Of the current version as a zip in the store, of an earlier one as a folder."""
    project.print(cluster)
    project.print(cluster, "2026-03-09")
    current = audit.fn(str(project.path))
    earlier = audit.fn(str(project.path), 1, f"{tmp_path}/first", "pseudonyms")

    assert current.endswith("/store/dossiers/v2.zip")
    for place, version in ((current, 2), (earlier, 1)):
        files = read_dossier(place)
        assert verify(files).faults == ()
        assert json.loads(files["about.json"])["version"] == version
