"""The gate: each check passes, fails or is unknown, and says so in a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labelpress.certify import Certificate
from labelpress.gate import Evidence, GateSettings, Verdict, judge

GOOD = Evidence(
    rows=100,
    labelled=80,
    class_shares=(0.6, 0.4),
    base_rate_low=(0.5, 0.3),
    base_rate_high=(0.7, 0.5),
    class_names=("ham", "spam"),
    quarantined={},
    base_coverage=0.82,
    common_rows=90,
    changed_rows=3,
    base_rows=90,
    gone_rows=0,
    paired_audits=40,
    paired_gain=0.0,
    paired_error=0.01,
)


def _check(name, settings=None, **changes):
    verdict = judge(replace(GOOD, **changes), settings or GateSettings())
    return next(check for check in verdict.checks if check.name == name)


def test_a_good_candidate_passes_every_check():
    """Six of them, no reasons."""
    verdict = judge(GOOD, GateSettings())

    assert verdict.passed
    assert verdict.reasons == ()
    assert [check.name for check in verdict.checks] == [
        "accuracy",
        "churn",
        "class balance",
        "coverage",
        "gone rows",
        "faults",
    ]


@pytest.mark.parametrize(
    ("name", "changes", "outcome", "sentence"),
    [
        ("accuracy", {"paired_audits": 19}, "unknown", "19 audits judge both versions, 20 are"),
        ("accuracy", {"paired_gain": None, "paired_error": None}, "unknown", "unknown"),
        ("accuracy", {"paired_gain": -0.01}, "pass", "accuracy changed by -1.0%"),
        ("accuracy", {"paired_gain": -0.05}, "fail", "a fall of 1.0% is allowed"),
        # Beyond the limit, but within chance.
        ("accuracy", {"paired_gain": -0.05, "paired_error": 0.04}, "pass", "standard error 4.0%"),
        ("accuracy", {"paired_gain": 0.3}, "pass", "accuracy changed by +30.0%"),
        ("churn", {"changed_rows": 5}, "fail", "5 of 90 known rows would change their label"),
        ("churn", {"changed_rows": 4}, "pass", "4.4%; 5.0% is allowed"),
        ("churn", {"common_rows": 0, "changed_rows": 0}, "pass", "Nothing was published before"),
        ("class balance", {"base_rate_low": None, "base_rate_high": None}, "unknown", "assumed"),
        ("class balance", {"class_shares": (0.79, 0.21)}, "pass", "'ham' is 79.0% of the labels"),
        ("class balance", {"class_shares": (0.15, 0.85)}, "fail", "35.0% outside; 10.0% is"),
        ("coverage", {"labelled": 76}, "fail", "76.0% of the rows have a label, 82.0% before"),
        ("coverage", {"labelled": 77}, "pass", "77.0% of the rows have a label"),
        ("coverage", {"labelled": 0}, "fail", "No row has a label: no heuristic votes"),
        ("coverage", {"base_coverage": None}, "pass", "80.0% of the rows have a label."),
        ("gone rows", {"gone_rows": 1}, "fail", "1 published rows are gone from the source (1.1%"),
        ("gone rows", {"gone_rows": 0, "base_rows": 0}, "pass", "0 published rows are gone"),
        ("faults", {"quarantined": {"x": "it timed out"}}, "fail", "x (it timed out). Mend it"),
    ],
)
def test_each_check_says_what_it_found(name, changes, outcome, sentence):
    """With value and limit in the sentence."""
    check = _check(name, **changes)

    assert check.outcome == outcome
    assert sentence in check.sentence


def test_a_quarantine_may_be_allowed():
    """By name."""
    settings = GateSettings(allow_quarantined=("x",))

    assert _check("faults", settings, quarantined={"x": "slow"}).outcome == "pass"
    assert _check("faults", settings, quarantined={"x": "slow", "y": "slow"}).outcome == "fail"


@pytest.mark.parametrize(("on_unknown", "passed"), [("pass", True), ("fail", False)])
def test_the_project_decides_what_unknown_counts_as(on_unknown, passed):
    """An unknown check is never shown as passed."""
    verdict = judge(replace(GOOD, paired_audits=0), GateSettings(on_unknown=on_unknown))

    assert verdict.passed is passed
    assert verdict.checks[0].outcome == "unknown"
    assert verdict.reasons == ()


def test_a_verdict_survives_json():
    """It is kept in the manifest."""
    verdict = judge(replace(GOOD, gone_rows=50), GateSettings())

    assert Verdict.from_json(verdict.to_json()) == verdict


def _certificate(estimate, low, high, audits=40):
    return Certificate(estimate, low, high, audits, 1.0, "exact", "certified", None)


@pytest.mark.parametrize(
    ("certificate", "outcome", "sentence"),
    [
        (_certificate(0.9, 0.8, 0.95), "pass", "90.0% of the labels in the slice islands"),
        (_certificate(0.7, 0.6, 0.8), "fail", "92.0% of all; a gap of 5.0% is allowed"),
        # Beyond the limit, but within chance.
        (_certificate(0.8, 0.5, 0.95), "pass", "80.0%"),
        (_certificate(0.5, 0.1, 0.9, audits=9), "unknown", "9 audits judge it, 10 are needed"),
        (_certificate(None, 0, 1, audits=0), "unknown", "unknown"),
    ],
)
def test_a_slice_that_lies_below_all_labels(certificate, outcome, sentence):
    """Each declared slice is a check of its own, where there is a limit."""
    found = _check(
        "slice islands",
        GateSettings(max_slice_gap=0.05),
        overall=_certificate(0.92, 0.9, 0.94),
        slices={"islands": certificate},
    )

    assert found.outcome == outcome
    assert sentence in found.sentence


def test_causes_of_churn_are_unknown_where_nobody_could_tell_them():
    """The votes of the published version may be gone; without churn there is nothing to limit."""
    settings = GateSettings(max_cause_churn={"refit": 0.1})

    assert _check("churn by refit", settings, causes=None).outcome == "unknown"
    assert _check("churn by refit", settings, causes=()).outcome == "pass"
