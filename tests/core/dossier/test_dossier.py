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
from labelpress.dossier.recomputing import recompute
from labelpress.dossier.verifying import (
    compare_with_store,
    read_dossier,
    verify,
    write_dossier,
)
from labelpress.errors import LabelpressError
from labelpress.manifest import read_manifest

if TYPE_CHECKING:
    from labelpress.store import Store


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
    about = json.loads(found["about.json"])
    assert about["missing"] == {}
    named = [line.split()[0] for line in found["README.txt"].decode().splitlines()[2:17]]
    assert set(named) <= set(found)
    assert found["heuristics/begging.txt"].startswith(b"begging = keywords(")
    answers = pl.read_csv(found["answers.csv"])
    assert answers["row_id"].n_unique() == about["answers"]
    corrected = answers.filter(pl.col("label").n_unique().over("row_id") > 1).sort("answered")
    assert corrected["counted_as"].to_list() == [corrected["label"][-1]] * corrected.height > []


def test_the_same_store_gives_the_same_bytes(audited, tmp_path):
    """Zip and all, so that one digest stands for it."""
    for name in ("a.zip", "b.zip"):
        write_dossier(make_dossier(audited), f"{tmp_path}/{name}", {})

    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_dossier_stays_true_while_printing_goes_on(project, audited):
    """Only what people decide later is told in a later one."""
    then, now = read_dossier(f"{project.path}/then.zip"), make_dossier(audited, 2)

    differ = {name for name in {*then, *now} if then.get(name) != now.get(name)}
    assert differ <= {"decisions.json", "models.json", SUMS}


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


def test_what_the_store_says_otherwise_is_named(project, audited, cluster):
    """A decision that came later is a difference; so is another store."""
    files = make_dossier(audited)
    known = json.loads(files["decisions.json"])
    decide(audited.decisions, Decision("rollback", "ann", "wrong", label_version=3), batch="r")
    (said,) = compare_with_store(files, project.read(), audited, cluster)

    assert said.startswith(f"decisions.json: it is {json.dumps(known)}; in the store it is [")
    about = json.loads(files["about.json"]) | {"store_id": "other"}
    foreign = files | {"about.json": json.dumps(about).encode()}
    other = compare_with_store(foreign, project.read(), audited, cluster)
    assert other[0].startswith("The dossier is of store other")


def test_a_damaged_archive_is_named_wherever_the_damage_is(audited, tmp_path):
    """No byte of the archive can be lost without a sentence that says so."""
    place = tmp_path / "v2.zip"
    write_dossier(make_dossier(audited), str(place), {})
    whole = place.read_bytes()

    for at in range(0, len(whole), len(whole) // 60):
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            found = read_dossier(str(place))
        except LabelpressError:
            continue
        # a date or a flag of the archive itself may change; the files may not, unseen
        assert verify(found).faults or found == make_dossier(audited)


def test_a_file_that_was_put_into_a_folder_of_its_own_is_named(audited, tmp_path):
    """However deep it lies."""
    write_dossier(make_dossier(audited), str(tmp_path), {})
    (tmp_path / "heuristics" / "more").mkdir()
    (tmp_path / "heuristics" / "more" / "code.txt").write_text("x")

    assert verify(read_dossier(str(tmp_path))).faults == (
        "heuristics/more/code.txt does not belong to the dossier: it has no checksum.",
    )


def test_labels_are_computed_anew_from_the_store(project, audited, cluster):
    """Whoever changes labels in the store, and the counts in its manifest, is found out."""
    version = audited.labels.find(None)
    manifest = read_manifest(audited.files, version.run)
    path = f"labels/{manifest.entries[0].path}"
    kept = audited.files.read_bytes(path)
    stored = audited.files.read_parquet(path)
    forged = stored.with_columns(pl.lit("spam").alias("label"))

    try:
        audited.files.write_parquet(path, forged)
        found = recompute(project.read(), audited, version.version, cluster)
    finally:
        audited.files.write_bytes(path, kept)
    (told,) = [fault for fault in found if fault.startswith("Computed anew from votes")]
    assert f"the labels of partition {manifest.entries[0].part!r} differ on" in told


def test_a_decision_tells_its_annotator_by_pseudonym(audited):
    """Who decides may also be who answered."""
    run = audited.labels.find(None).run
    decide(audited.decisions, Decision("lift", "oracle", "oracle says so", run=run), batch="p")
    told = json.loads(make_dossier(audited, pseudonyms=True)["decisions.json"])

    assert {row["who"] for row in told if row["kind"] == "lift"} == {"annotator-1"}
    assert "oracle" not in json.dumps(told)


def test_annotators_get_pseudonyms(project, audited, cluster):
    """In the answers; the report tells the name in words, and is left out."""
    files = make_dossier(audited, pseudonyms=True)

    assert set(pl.read_csv(files["answers.csv"])["annotator"]) == {"annotator-1"}
    assert "names an annotator" in json.loads(files["about.json"])["missing"]["report.html"]
    assert verify(files).faults == ()
    assert compare_with_store(files, project.read(), audited, cluster) == ()


def test_a_report_that_tells_a_name_elsewhere_is_left_out():
    """Rather than showing it; texts lose the name, the longest first."""
    names = Pseudonyms.of(["ann", "ann b."], "key")

    assert names.in_page(b"<td>ann</td>") == f"<td>{names.by_name['ann']}</td>".encode()
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
