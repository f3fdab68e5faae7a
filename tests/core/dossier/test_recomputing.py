"""What a run wrote down is computed anew from what it follows from, figure by figure."""

from __future__ import annotations

import json

import polars as pl
import pytest

from labelpress.decisions import Decision, decide
from labelpress.dossier.contents import make_dossier, to_json
from labelpress.dossier.recomputing import recompute
from labelpress.dossier.verifying import compare_with_store
from labelpress.manifest import folder, read_answers, read_manifest


@pytest.fixture(name="forged")
def _forged(project):
    """Write the third version's manifest with other figures; as it was when the test has ended."""
    files = project.store.files
    path = f"{folder(project.store.labels.find(3).run)}/manifest.json"
    kept = files.read_bytes(path)

    def forge(**places):
        manifest = json.loads(kept)
        for place, value in places.items():
            *steps, last = [int(s) if s.isdigit() else s for s in place.split("__")]
            inner = manifest
            for step in steps:
                inner = inner[step]
            assert inner[last] != value
            inner[last] = value
        files.write_bytes(path, json.dumps(manifest).encode())

    yield forge
    files.write_bytes(path, kept)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_what_nobody_touched_is_the_same(project, cluster, version):
    """Without answers and with them, refitted and kept, with slices and with a report."""
    dossier = make_dossier(project.store, version)

    assert set(json.loads(dossier["about.json"])["missing"]) <= {"diff.json"}
    assert compare_with_store(dossier, project.read(), project.store, cluster) == ()


def test_who_used_what_was_restated_is_told_everywhere(project, cluster):
    """In the bundle, the record and the report, and not changed by what is decided later."""
    store = project.store
    run = store.labels.find(3).run
    later = Decision("challenger", "rule", "worse", label_version=2, model="8")
    decide(store.decisions, later, batch="m3")
    dossier = make_dossier(store, 3)
    restated = json.loads(dossier["drift.json"])["restated"]
    record = store.files.read_json(f"{folder(run)}/draft.json")["facts"]["restated"]

    (corrected,) = restated["corrections"]
    assert (corrected["versions"], restated["models"]) == ([2], {"7": 2})
    assert record == restated
    assert "1 answer was corrected or taken out of use" in dossier["report.html"].decode()
    assert recompute(project.read(), store, 3, cluster) == ()


def test_each_figure_that_does_not_follow_is_named(project, cluster, forged):
    """One of each kind, all at once: none hides another, and each comes with both values."""
    forged(
        label_model__base_rate__0=0.123,
        base_rate__mean__0=0.9,
        verdict__checks__1__value=0.001,
        surface__lines=1,
        certificate__low=0.99,
        certificates__labels__spam__high=0.5,
        certificates__looks__overall__low=0.98,
        calibration__error=0.0,
        drift__0__now=0.999,
        restated__sentences__0="nothing",
        statistics__0__coverage=0.01,
        race__0__log_loss=0.0,
        refit="because",
        stale_answers=7,
    )
    said = recompute(project.read(), project.store, 3, cluster)

    first = {fault.partition(":")[0]: fault for fault in said}
    assert first["label_model.json"].startswith("label_model.json: base_rate[0] is 0.123; computed")
    assert first["base_rate.json"].startswith("base_rate.json: mean[0] is 0.9; computed anew it is")
    assert first["gate.json"].startswith("gate.json: checks[1].value is 0.001; computed anew it is")
    assert first["surface.json"] == "surface.json: lines is 1; computed anew it is 6."
    assert first["certificates.json"].startswith("certificates.json: calibration.error is 0.0;")
    assert first["certificates.json"].endswith("(3 more differ).")
    assert first["drift.json"].startswith("drift.json: drift[0].now is 0.999; computed anew it is ")
    assert first["drift.json"].endswith("(1 more differ).")
    assert first["manifest.json"].endswith("(3 more differ).")
    assert "report.html: written anew it is another page." in said


def test_other_words_of_a_later_labelpress_are_no_difference(project, cluster, forged):
    """Figures and outcomes are, as ever; and the version that wrote it is named."""
    other = {
        "environment__labelpress": "0.0.1",
        "verdict__checks__1__sentence": "In other words.",
        "refit": "for some reason",
    }
    forged(**other)
    worded = recompute(project.read(), project.store, 3, cluster)
    forged(**other, verdict__checks__1__outcome="fail")
    judged = recompute(project.read(), project.store, 3, cluster)

    assert worded == ()
    assert judged[0].startswith(
        'gate.json: checks[1].outcome is "fail"; computed anew it is "pass"'
    )
    assert judged[1].startswith("The environment is another one: labelpress 0.0.1 then, ")


def test_a_changed_bundle_is_named_figure_by_figure(project, cluster):
    """Whoever also makes the checksums fit: file, place and both values."""
    dossier = make_dossier(project.store, 2)
    lows = json.loads(dossier["certificates.json"])
    low = lows["overall"]["low"]
    lows["overall"]["low"] = 0.999
    forged = dossier | {"certificates.json": to_json(lows), "answers.csv": b"row_id"}

    assert compare_with_store(forged, project.read(), project.store, cluster) == (
        "answers.csv is not what the store gives now.",
        f"certificates.json: overall.low is 0.999; in the store it is {json.dumps(low)}.",
    )


def test_the_evidence_itself_is_checked(project, cluster):
    """Answers, counts of votes, and the labels of the version before."""
    store = project.store
    manifest = read_manifest(store.files, store.labels.find(3).run)
    place = folder(manifest.run)
    answers = read_answers(store.files, manifest.run)
    kept = {name: store.files.read_bytes(f"{place}/{name}") for name in _EVIDENCE}
    try:
        store.files.write_parquet(
            f"{place}/answers.parquet", answers.with_columns(code=1 - pl.col("code"))
        )
        others = recompute(project.read(), store, 3, cluster)
        store.files.write_bytes(f"{place}/answers.parquet", kept["answers.parquet"])
        for name in ("patterns.parquet", "sample.parquet"):
            store.files.delete(f"{place}/{name}")
        without_counts = recompute(project.read(), store, 3, cluster)
    finally:
        for name, content in kept.items():
            store.files.write_bytes(f"{place}/{name}", content)

    assert "answers.csv: the run used others than were given." in others
    assert without_counts[0] == (
        "Not all can be computed anew: what the run counted of the votes is gone, as where rows "
        "were erased since. What was measured with those rows stands as it was."
    )


_EVIDENCE = ("answers.parquet", "patterns.parquet", "sample.parquet")


def test_a_vacuumed_version_before_leaves_the_rest_to_be_checked(project, cluster, forged):
    """What changed cannot be told, but the certificate can."""
    labels = project.path / "store" / "labels"
    before = {file.path for file in project.store.labels.files(2)}
    gone = {path: (labels / path).read_bytes() for path in before}
    forged(certificate__low=0.99)
    try:
        for path in gone:
            (labels / path).unlink()
        said = recompute(project.read(), project.store, 3, cluster)
    finally:
        for path, content in gone.items():
            (labels / path).write_bytes(content)

    gone_parts = [one for one in said if one.startswith("Gone, so what changed cannot be")]
    assert len(gone_parts) == len(before)
    assert any(one.startswith("certificates.json: overall.low is 0.99") for one in said)


def test_a_version_of_an_earlier_labelpress_says_what_it_lacks(project, cluster, forged):
    """Its labels are checked all the same."""
    forged(settings={})

    (said,) = recompute(project.read(), project.store, 3, cluster)

    assert said == (
        "Not all can be computed anew: an earlier labelpress printed the version, and did not keep "
        "the settings of its run."
    )
