"""The gate stage: judge the candidate and write its manifest, before anybody can see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from labelpress.base_rate import BaseRate
from labelpress.certify import Certificate
from labelpress.diff.versions import diff_manifests
from labelpress.errors import LabelpressError
from labelpress.gate import Evidence, Verdict, judge
from labelpress.labels import add_counts
from labelpress.manifest import write_manifest
from labelpress.restatement import find_restatement
from labelpress.surface import measure_surface

if TYPE_CHECKING:
    from labelpress.cluster import Cluster
    from labelpress.diff.versions import Diff
    from labelpress.manifest import Manifest
    from labelpress.runs import Run
    from labelpress.stages.label import Candidate
    from labelpress.surface import Surface


@dataclass(frozen=True, slots=True)
class Gated:
    """A candidate with its verdict."""

    manifest: Manifest
    verdict: Verdict
    held: tuple[str, ...]
    """Why the candidate is not published; empty where it is."""


def judge_candidate(run: Run, candidate: Candidate, cluster: Cluster) -> Gated:
    """Judge a candidate by the project's gate and by a standing hold, and write its manifest."""
    frozen = candidate.manifest.with_(decisions_version=run.store.decisions.version())
    manifest, verdict = weigh(run, replace(candidate, manifest=frozen), cluster)
    write_manifest(run.store.files, manifest, candidate.answers)
    held = verdict.reasons
    if not verdict.passed and not held:
        held = tuple(c.sentence for c in verdict.checks if c.outcome == "unknown")
    if run.hold:
        held = (run.hold, *held)
    return Gated(manifest, verdict, held)


def weigh(run: Run, candidate: Candidate, cluster: Cluster) -> tuple[Manifest, Verdict]:
    """Return the candidate's manifest with all that the gate looks at, and the verdict."""
    diff, unknown = compare_with_base(run, candidate, cluster)
    surface = measure_surface(run.store.files, candidate.manifest, candidate.answers)
    verdict = judge(gather_evidence(run, candidate, diff, surface), run.project.settings.gate)
    manifest = candidate.manifest.with_(
        surface=surface.to_json(),
        restated=_restated(run, candidate, cluster),
        diff=diff.to_json() if diff else {"unknown": unknown} if unknown else {},
        verdict=verdict.to_json(),
    )
    return manifest, verdict


def _restated(run: Run, candidate: Candidate, cluster: Cluster) -> dict[str, Any]:
    """Look up who used what has changed since; what only informs must not stop a run."""
    try:
        found = find_restatement(
            run.store, candidate.manifest, run.base_manifest, candidate.answers, cluster.map
        )
    except LabelpressError as error:
        return {"sentences": [f"What was restated could not be told: {error}"]}
    return found.to_json()


def compare_with_base(run: Run, candidate: Candidate, cluster: Cluster) -> tuple[Diff | None, str]:
    """Charge what differs from the published labels to its causes, or say why that fails."""
    if run.base is None or run.base_manifest is None:
        return None, ""
    try:
        diff = diff_manifests(
            run.store.files,
            run.base_manifest,
            candidate.manifest,
            versions=(run.base.version, None),
            over=cluster.map,
            answers_after=candidate.answers,
        )
    except LabelpressError as error:  # what only explains must not stop a run
        return None, str(error)
    return diff, ""


def gather_evidence(
    run: Run, candidate: Candidate, diff: Diff | None, surface: Surface
) -> Evidence:
    """Put together what the gate judges by."""
    counts, change, manifest = candidate.counts, candidate.change, candidate.manifest
    base_rate = BaseRate.from_json(manifest.base_rate)
    base = run.base_manifest
    before = add_counts([e.counts for e in base.entries], run.classes) if base else None
    shares = tuple(n / max(counts.labelled, 1) for n in counts.by_class)
    measured = not base_rate.assumed
    return Evidence(
        rows=counts.rows,
        labelled=counts.labelled,
        class_shares=shares,
        base_rate_low=tuple(map(float, base_rate.low)) if measured else None,
        base_rate_high=tuple(map(float, base_rate.high)) if measured else None,
        class_names=run.classes.names,
        quarantined={n.name: n.quarantine_reason for n in manifest.heuristics if n.quarantined},
        base_coverage=before.labelled / max(before.rows, 1) if before else None,
        common_rows=change.common,
        changed_rows=change.relabelled,
        base_rows=before.rows if before else 0,
        gone_rows=change.gone,
        paired_audits=candidate.paired_audits,
        paired_gain=candidate.paired_gain,
        paired_error=candidate.paired_error,
        surface=surface,
        overall=Certificate.from_json(manifest.certificate),
        slices={
            name: Certificate.from_json(one)
            for name, one in manifest.certificates.get("slices", {}).items()
        },
        causes=diff.shares if diff else () if base is None else None,
    )
