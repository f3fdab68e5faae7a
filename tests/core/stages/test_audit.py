"""The label stage certifies what it wrote by answers that taught nothing."""

from __future__ import annotations

import pytest

from labelpress.certify import Certificate
from labelpress.stages import answers


@pytest.fixture(name="large")
def _large(project):
    """The small project with rows enough to certify its labels."""
    project.enlarge()
    return project


def test_reserved_audits_certify_overall_and_per_class(large, cluster):
    """The answers of the first period judge the labels of the second."""
    first = large.print(cluster)
    second = large.print(cluster, period="2026-03-09")

    assert first.gated.manifest.certificate["status"] == "uncertified"
    manifest = second.gated.manifest
    overall = Certificate.from_json(manifest.certificate)
    parts = [Certificate.from_json(part) for part in manifest.certificates["labels"].values()]
    assert (overall.status, overall.response_rate) == ("certified", 1.0)
    assert 15 <= overall.audits <= 20
    assert sum(part.audits for part in parts) == overall.audits
    assert list(manifest.certificates["labels"]) == ["ham", "spam"]


def test_without_reserved_audits_the_interval_is_approximate(large, cluster):
    """Audits that also taught, each judged by a model that has not seen it."""
    large.configure("budget = 60", "budget = 60\nreserved_share = 0.0")
    large.print(cluster)
    second = large.print(cluster, period="2026-03-09")

    overall = Certificate.from_json(second.gated.manifest.certificate)
    assert overall.status == "approximate"
    assert overall.audits == 60  # before any answer, there is nothing to aim by
    assert 0.5 < overall.estimate < 1


def test_a_reprint_does_not_count_what_its_period_has_just_asked(large, cluster, monkeypatch):
    """Those asks are open, not unanswered; a period later they would be."""
    large.print(cluster)
    second = large.print(cluster, period="2026-03-09")
    monkeypatch.setattr(answers, "answer_open_asks", lambda *_, **__: 0)
    large.edit("< 12", "< 13")
    reprinted = large.print(cluster, period="2026-03-09", mode="reprint")
    third = large.print(cluster, period="2026-03-16", publish=False)

    assert second.gated.manifest.certificate["response_rate"] == 1.0
    assert reprinted.gated.manifest.certificate["response_rate"] == 1.0
    assert third.gated.manifest.certificate["status"] == "not certified"
    assert third.gated.manifest.certificate["response_rate"] == pytest.approx(0.5, abs=0.05)


def test_declared_slices_are_certified_also_when_they_are_declared_later(large, cluster):
    """Labels that are carried over unread are counted by what is declared now."""
    large.print(cluster)
    large.configure("[experts]", '[slices]\nattributes = ["stars"]\n[experts]')
    large.print(cluster, period="2026-03-09")
    large.configure("[slices]", '[slices]\nwhere = { short = "length(text) < 10" }')
    third = large.print(cluster, period="2026-03-16")

    manifest = third.gated.manifest
    slices = manifest.certificates["slices"]
    assert set(slices) == {"short", *(f"stars = {stars}" for stars in range(5))}
    assert third.candidate.counts.by_slice["short"]["2026-03-02"].rows == 60
    assert slices["short"]["audits"] == manifest.certificates["labels"]["ham"]["audits"]
    stars = [slices[f"stars = {stars}"]["audits"] for stars in range(5)]
    assert sum(stars) == manifest.certificate["audits"]
