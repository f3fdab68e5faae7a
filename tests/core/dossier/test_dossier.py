"""Dossiers: written from the store alone, verified without it, and compared with it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

import polars as pl
import pytest
from rich.console import Console

from labelpress.cli.verifying import show_verified
from labelpress.decisions import Decision, decide
from labelpress.dossier.contents import SUMS, checksums, make_dossier
from labelpress.dossier.pseudonyms import Pseudonyms
from labelpress.dossier.verifying import (
    compare_with_store,
    read_dossier,
    verify,
    write_dossier,
)
from labelpress.errors import LabelpressError
from labelpress.manifest import folder

if TYPE_CHECKING:
    from labelpress.store import Store


@pytest.fixture(name="project", scope="module")
def _project(tmp_path_factory, write_project, cluster):
    """Two versions; the second has a report that names its only annotator."""
    project = write_project(tmp_path_factory.mktemp("dossier") / "reviews")
    project.print(cluster)
    printed = project.print(cluster, "2026-03-09")
    page = b"<td>oracle</td>"
    project.store.files.write_bytes(f"{folder(printed.run.id)}/report.html", page)
    return project


@pytest.fixture(name="audited")
def _audited(project) -> Store:
    """The store of that project."""
    return project.store


@pytest.mark.parametrize("place", ["dossier", "v2.zip"])
def test_it_is_written_read_and_verified(audited, tmp_path, place):
    """As a folder and as one file, with everything in it that the readme names."""
    files = make_dossier(audited)
    write_dossier(files, f"{tmp_path}/{place}", {})
    found = read_dossier(f"{tmp_path}/{place}")

    assert found == files
    assert verify(found).faults == ()
    assert compare_with_store(found, audited) == ()
    about = json.loads(found["about.json"])
    assert about["missing"] == {
        "bias.json": next(iter(about["missing"].values())),
    }
    named = [line.split()[0] for line in found["README.txt"].decode().splitlines()[2:17]]
    assert set(named) - set(found) == {"bias.json"}
    assert found["heuristics/begging.txt"].startswith(b"begging = keywords(")
    assert pl.read_csv(found["answers.csv"]).height == about["answers"]


def test_the_same_store_gives_the_same_bytes(audited, tmp_path):
    """Zip and all, so that one digest stands for it."""
    for name in ("a.zip", "b.zip"):
        write_dossier(make_dossier(audited), f"{tmp_path}/{name}", {})

    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_whatever_is_changed_is_named(audited):
    """A file changed, taken away, added; and figures that do not agree though the sums do."""
    files = make_dossier(audited)
    taken = {name: content for name, content in files.items() if name != "gate.json"}
    verdict = json.loads(files["gate.json"]) | {"passed": True}
    verdict["checks"][0]["outcome"] = "fail"
    forged = {n: c for n, c in files.items() if n != SUMS} | {
        "gate.json": json.dumps(verdict).encode()
    }

    assert verify(files | {"answers.csv": b""}).faults == (
        "answers.csv was changed: its checksum is another one.",
    )
    assert verify(taken).faults == ("gate.json is missing.",)
    bare = {n: c for n, c in taken.items() if n != SUMS}
    assert verify(bare | {SUMS: checksums(bare)}).faults == ("gate.json is missing.",)
    damaged = bare | {"gate.json": b"{"}
    said = verify(damaged | {SUMS: checksums(damaged)}).faults[0]
    assert said.startswith("It cannot be read: JSONDecodeError")
    assert verify(files | {"more.txt": b""}).faults == (
        "more.txt does not belong to the dossier: it has no checksum.",
    )
    assert verify(forged | {SUMS: checksums(forged)}).faults == (
        "gate.json says passed, but a check failed.",
    )


def test_what_the_store_says_otherwise_is_named(audited):
    """A decision that came later is a difference; so is another store."""
    files = make_dossier(audited)
    decide(audited.decisions, Decision("rollback", "ann", "wrong", label_version=2), batch="r")

    assert compare_with_store(files, audited) == (
        "decisions.json is not what the store gives now.",
    )
    about = json.loads(files["about.json"]) | {"store_id": "other"}
    other = compare_with_store(files | {"about.json": json.dumps(about).encode()}, audited)
    assert other[0].startswith("The dossier is of store other")


def test_annotators_get_pseudonyms(audited):
    """In the answers and in the report; nobody's name is left anywhere."""
    files = make_dossier(audited, pseudonyms=True)

    assert set(pl.read_csv(files["answers.csv"])["annotator"]) == {"annotator-1"}
    assert files["report.html"] == b"<td>annotator-1</td>"
    assert verify(files).faults == ()
    assert compare_with_store(files, audited) == ()


def test_a_report_that_tells_a_name_elsewhere_is_left_out():
    """Rather than showing it; texts lose the name, the longest first."""
    names = Pseudonyms.of(["ann", "ann b."], "key")

    assert names.in_page(b"<p>said ann</p>") is None
    assert names.in_page(b"<p>annual planning</p>") == b"<p>annual planning</p>"
    assert "ann b." not in names.in_text("ann b. and ann say")
    assert sorted(names.by_name.values()) == ["annotator-1", "annotator-2"]


def test_the_command_tells_and_its_result_is_an_exit_code(audited, project, tmp_path):
    """Well, changed, and no dossier at all."""
    place = f"{tmp_path}/v2.zip"
    write_dossier(make_dossier(audited), place, {})
    out = Console(file=io.StringIO(), width=200)

    assert show_verified(place, str(project.path), out)
    assert "as it was written; the store gives the same. Digest" in out.file.getvalue()
    with zipfile.ZipFile(place, "a") as archive:
        archive.writestr("more.txt", "")
    assert not show_verified(place, "", out)
    with pytest.raises(LabelpressError, match="there is no dossier at"):
        show_verified(str(tmp_path), "", out)
