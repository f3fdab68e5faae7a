"""What a dossier holds: a function of the store alone, so it can be made again and compared."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from labelpress.bias.report import find_bias
from labelpress.diff.versions import diff_versions
from labelpress.dossier.figures import figures
from labelpress.dossier.pseudonyms import Pseudonyms
from labelpress.errors import LabelpressError
from labelpress.exchange.ask_files import harmless
from labelpress.manifest import folder, read_answers, read_manifest
from labelpress.profit import weigh_heuristics
from labelpress.trained_models import models_of

if TYPE_CHECKING:
    from labelpress.manifest import Manifest
    from labelpress.store import Store
    from labelpress.tables.publication import LabelVersion

FORMAT = 1
SUMS = "SHA256SUMS"

README = """\
Dossier of label version {version} of project {project} (period {period}, printing {printing}).

about.json        which version this is, and what could not be put in, with the reason
report.html       the report of the run, as it was written then
heuristics.json   every heuristic: owner, reason, kind, fingerprint; heuristics/ has its code
label_model.json  the parameters of the label model, from which votes become probabilities
base_rate.json    the class distribution, and whether it was measured
answers.csv       the answers that the run used; counted_as is what those of a row came to
gate.json         the checks before publication, each with value, limit and a sentence
surface.json      what there is to read, and the share of labels that rests on what cannot be read
diff.json         what differs from the version before, by cause
bias.json         the declared slices, and the heuristics that bring wrong labels into them
profit.json       per heuristic: cost, what it added, drift, advice
certificates.json accuracy with intervals, of all labels, by label and by slice; calibration
drift.json        how far each heuristic moved, and the restatements this run found
models.json       the end models trained on this version
decisions.json    what people decided about this version or its run
SHA256SUMS        the checksum of every other file, as `sha256sum --check` reads it

`labelpress verify DOSSIER` checks it without a store; with `--project` every file is made again
from the store and compared. Checksums tell whether a file was changed since, not who wrote it: keep
the digest that `verify` prints elsewhere.
"""


@dataclass(frozen=True, slots=True)
class _Version:
    store: Store
    found: LabelVersion
    manifest: Manifest
    names: Pseudonyms


def make_dossier(
    store: Store, version: int | None = None, *, pseudonyms: bool = False
) -> dict[str, bytes]:
    """
    Return the files of a version's dossier by name, the checksums among them.

    With `pseudonyms` annotators are numbered; what still has one of their names in it is left out
    and named in about.json. Raises `LabelpressError` where the version's manifest is gone.
    """
    found = store.labels.find(version)
    manifest = read_manifest(store.files, found.run)
    if manifest is None:
        raise LabelpressError(f"the manifest of {found} is gone: there is nothing to put together.")
    people = [str(one["name"]) for one in manifest.annotators] if pseudonyms else []
    one = _Version(store, found, manifest, Pseudonyms.of(people, store.identity().store_id))
    files, missing = _files(one)
    about = {
        "format": FORMAT,
        "project": manifest.project,
        "store_id": store.identity().store_id,
        "version": found.version,
        "kind": found.kind,
        "run": manifest.run,
        "period": manifest.period,
        "printing": manifest.printing,
        "published": found.timestamp,
        "base_version": manifest.base_version,
        "rows": manifest.rows,
        "answers": read_answers(store.files, manifest.run).height,
        "source_digest": manifest.source_digest,
        "project_digest": manifest.project_digest,
        "environment": manifest.environment,
        "pseudonyms": pseudonyms,
        "missing": missing,
    }
    files["about.json"] = to_json(about)
    text = README.format(
        version=found.version,
        project=manifest.project,
        period=manifest.period,
        printing=manifest.printing,
    )
    files["README.txt"] = text.encode()
    return files | {SUMS: checksums(files)}


def checksums(files: dict[str, bytes]) -> bytes:
    """Return the checksums of files, one a line, sorted by name."""
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    return "".join(lines).encode()


def to_json(value: Any) -> bytes:
    """Return a value as JSON, always in the same bytes."""
    text = json.dumps(value, indent=1, sort_keys=True, default=str, ensure_ascii=False)
    return (text + "\n").encode()


def _files(one: _Version) -> tuple[dict[str, bytes], dict[str, str]]:
    """Return the files, and why some are missing."""
    store, manifest = one.store, one.manifest
    files = {
        **{name: to_json(value) for name, value in figures(manifest).items()},
        "heuristics.json": to_json([asdict(note) for note in manifest.heuristics]),
        "answers.csv": _answers(one),
        **_decided(one),
    }
    for note in manifest.heuristics:
        files[f"heuristics/{note.name}.txt"] = note.code.encode()
    missing: dict[str, str] = {}

    def add(name: str, make: Any) -> None:
        try:
            files[name] = to_json(make())
        except LabelpressError as error:
            missing[name] = str(error)

    if manifest.base_version is None:
        missing["diff.json"] = "it is the first printing: there is no version before"
    else:
        base = manifest.base_version
        add(
            "diff.json",
            lambda: diff_versions(store, base, one.found.version, resamples=0).to_json(),
        )
    add("bias.json", lambda: find_bias(store, one.found.version).to_json())
    add("profit.json", lambda: [w.to_json() for w in weigh_heuristics(store, one.found.version)])
    report = _report(one)
    if report is None:
        missing["report.html"] = (
            "its run was not recorded, or it names an annotator who asked for a pseudonym"
        )
    else:
        files["report.html"] = report
    return files, missing


def _answers(one: _Version) -> bytes:
    """Return the answers as CSV: one line per answer, and what the run made of the row's."""
    store, manifest = one.store, one.manifest
    classes = pl.Series(manifest.classes, dtype=pl.String)
    used = read_answers(store.files, manifest.run)
    used = used.with_columns(classes.gather(used["code"]).alias("counted_as"))
    given = store.answers.read(manifest.answers_version).join(
        used.select("row_id", "row_hash", "counted_as", "stratum", "reserved", "propensity"),
        on=["row_id", "row_hash"],
        how="inner",
    )
    lines = given.select(
        "row_id",
        "label",
        "counted_as",
        pl.col("annotator").map_elements(one.names.of_person, return_dtype=pl.String),
        "answered",
        pl.col("rationale").map_elements(one.names.in_text, return_dtype=pl.String),
        "simulated",
        "stratum",
        pl.when("reserved").then(pl.lit("certifies")).otherwise(pl.lit("teaches")).alias("counts"),
        "propensity",
    )
    ordered = lines.sort("row_id", "answered", "annotator")
    free = [harmless(name) for name in ("row_id", "annotator", "rationale")]
    return ordered.with_columns(free).write_csv().encode()


def _decided(one: _Version) -> dict[str, bytes]:
    decisions = one.store.decisions.read().sort("at")
    about = decisions.filter(
        (pl.col("run") == one.found.run) | (pl.col("label_version") == one.found.version)
    )
    models = [asdict(model) for model in models_of(decisions, one.found.version)]
    for model in models:
        del model["serving"]  # what serves today is no fact about this version
    told = [
        row
        | {
            "who": one.names.by_name.get(row["who"], row["who"]),
            "why": one.names.in_text(row["why"] or ""),
        }
        for row in about.to_dicts()
    ]
    return {"decisions.json": to_json(told), "models.json": to_json(models)}


def _report(one: _Version) -> bytes | None:
    """Return the report; None where there is none, or where it names who must not be named."""
    path = f"{folder(one.manifest.run)}/report.html"
    if not one.store.files.exists(path):
        return None
    return one.names.in_page(one.store.files.read_bytes(path))
