"""Verify a dossier: nothing changed, nothing missing, and its figures agree with each other."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelpress.dossier.contents import FORMAT, SUMS, make_dossier
from labelpress.dossier.figures import is_worded_alike, say_difference
from labelpress.dossier.recomputing import recompute
from labelpress.errors import LabelpressError
from labelpress.gate import Verdict
from labelpress.label_models import load
from labelpress.tables.files import Files

if TYPE_CHECKING:
    from labelpress.cluster import Cluster
    from labelpress.project import Project
    from labelpress.store import Store

ZIP = ".zip"
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OSError,
)
"""What the standard library raises, depending on where an archive is damaged."""
_NEEDED = ("about.json", "gate.json", "heuristics.json", "label_model.json", "surface.json")
"""No dossier is without these."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What verifying found."""

    digest: str
    """SHA-256 of the checksums: it stands for the whole dossier."""
    files: int
    faults: tuple[str, ...]
    """Sentences; empty where all is well."""


def write_dossier(files: dict[str, bytes], place: str, options: dict[str, str]) -> None:
    """Write a dossier as a folder, or as one file where the place ends in `.zip`."""
    if not place.endswith(ZIP):
        target = Files(place, options)
        for name, content in files.items():
            target.write_bytes(name, content)
        return
    head, _, name = place.rpartition("/")
    Files(head or ".", options).write_bytes(name, _zipped(files))


def read_dossier(place: str, options: dict[str, str] | None = None) -> dict[str, bytes]:
    """Return the files of a dossier by name; raises `LabelpressError` where there is none."""
    head, _, name = place.rstrip("/").rpartition("/")
    if place.endswith(ZIP):
        return _unzipped(Files(head or ".", options or {}).read_bytes(name), place)
    folder = Files(place, options or {})
    names = [found.path for found in folder.walk()]
    if SUMS not in names:
        raise LabelpressError(f"there is no dossier at {place}: it has no {SUMS}.")
    return {name: folder.read_bytes(name) for name in names}


def verify(files: dict[str, bytes]) -> Verified:
    """Check a dossier by itself."""
    faults = _sums(files)
    if not faults:
        try:
            faults = _figures(files)
        except (ValueError, KeyError, TypeError, LabelpressError) as error:
            faults = [f"It cannot be read: {type(error).__name__}: {error}."]
    return Verified(hashlib.sha256(files[SUMS]).hexdigest(), len(files), tuple(faults))


def compare_with_store(
    files: dict[str, bytes], project: Project, store: Store, cluster: Cluster
) -> tuple[str, ...]:
    """
    Make every file of a dossier again from the store; return what differs, in sentences.

    What the run wrote down itself is computed anew too: see `recompute`.
    """
    about = json.loads(files["about.json"])
    identity = store.identity().store_id
    if about["store_id"] != identity:
        return (f"The dossier is of store {about['store_id']}, this is store {identity}.",)
    again = make_dossier(store, about["version"], pseudonyms=about["pseudonyms"])
    alike = is_worded_alike(about["environment"])
    compared = (
        _otherwise(name, files.get(name), again.get(name), worded_alike=alike)
        for name in sorted({*files, *again} - {SUMS})
    )
    otherwise = filter(None, compared)
    return (*otherwise, *recompute(project, store, about["version"], cluster))


def _otherwise(
    name: str, mine: bytes | None, theirs: bytes | None, *, worded_alike: bool
) -> str | None:
    """Say what differs in one file; None where nothing does."""
    if mine is None or theirs is None:
        return f"{name} is only in the {'store' if mine is None else 'dossier'}."
    if mine == theirs or (name == "README.txt" and not worded_alike):
        return None
    if name.endswith(".json"):
        values = json.loads(mine), json.loads(theirs)
        return say_difference(name, *values, "in the store", worded_alike=worded_alike)
    return f"{name} is not what the store gives now."


def _sums(files: dict[str, bytes]) -> list[str]:
    stated = {}
    for line in files[SUMS].decode(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        stated[name] = digest
    faults = []
    for name in sorted({*stated, *files, *_NEEDED} - {SUMS}):
        if name not in files:
            faults.append(f"{name} is missing.")
        elif name not in stated:
            faults.append(f"{name} does not belong to the dossier: it has no checksum.")
        elif hashlib.sha256(files[name]).hexdigest() != stated[name]:
            faults.append(f"{name} was changed: its checksum is another one.")
    return faults


def _figures(files: dict[str, bytes]) -> list[str]:
    """Compare figures that stand in two places."""
    about = json.loads(files["about.json"])
    if about["format"] > FORMAT:
        return [f"The dossier has format {about['format']}: a newer labelpress wrote it."]
    faults = []
    load(json.loads(files["label_model.json"]))
    verdict = Verdict.from_json(json.loads(files["gate.json"]))
    if verdict.passed and verdict.reasons:
        faults.append("gate.json says passed, but a check failed.")
    notes = json.loads(files["heuristics.json"])
    faults += [
        f"heuristics/{note['name']}.txt is not the code in heuristics.json."
        for note in notes
        if files.get(f"heuristics/{note['name']}.txt") != note["code"].encode()
    ]
    if "diff.json" in files:
        faults += _split(json.loads(files["diff.json"]))
    wanted = json.loads(files["surface.json"]).get("answers", about["answers"])
    if wanted != about["answers"]:
        faults.append("surface.json and about.json count other answers.")
    return faults


def _split(diff: dict[str, Any]) -> list[str]:
    changed = sum(share["rows"] for share in diff["shares"])
    return [] if changed == diff["changed"] else ["diff.json: the causes do not sum to the churn."]


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            # a fixed date: the same dossier is the same bytes
            archive.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _unzipped(data: bytes, place: str) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            files = {name: archive.read(name) for name in names}
    except _UNREADABLE as error:
        raise LabelpressError(f"{place} is damaged: {error}.") from error
    if len(files) != len(names) or SUMS not in files:
        raise LabelpressError(f"{place} is no dossier: it has no {SUMS}, or a file twice.")
    return files
