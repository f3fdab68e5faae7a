"""Profit and loss of heuristics: what each cost in a period, what it added, and what to do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from labelpress.bias.slice_counts import count_slice
from labelpress.classes import ABSTAIN, Classes
from labelpress.errors import LabelpressError
from labelpress.intervals import wilson
from labelpress.label_models import load
from labelpress.labels import labels_of_votes
from labelpress.manifest import read_answers, read_manifest
from labelpress.report.facts import read_facts
from labelpress.run_patterns import read_run_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from labelpress.drift import Drift
    from labelpress.manifest import HeuristicNote, Manifest
    from labelpress.store import Store
    from labelpress.tables.files import Files

Advice = Literal["keep", "fix", "retire"]

_FEWEST = 10
"""Audits on which a heuristic must vote before they judge it."""
_BELIEF_MARGIN = 0.1
"""So far below its author's belief may the precision lie before that is worth a look."""


@dataclass(frozen=True, slots=True)
class Worth:
    """One heuristic in the printing of one period."""

    heuristic: str
    version: int | None
    """None for a held candidate."""
    period: str
    cpu_seconds: float
    """Spent on casting it in this period."""
    usd: float
    usd_so_far: float
    """In this and all earlier periods."""
    changed: int
    """Rows that would have another label, or none, without it."""
    gain: float | None
    """By how much the share of rows rightly labelled would fall without it; None without audits."""
    gain_error: float | None
    """Its standard error."""
    audits: int
    votes_audited: int
    """Audits on which it votes."""
    precision: float | None
    """Share of these votes that are right."""
    answers_saved: float | None
    """Rows rightly labelled only by it: so many answers would have had to be asked instead."""
    drift: str
    """What moved, where it drifts; else empty."""
    advice: Advice
    evidence: str
    """Why, in a sentence."""

    @property
    def beyond_chance(self) -> float:
        """The gain where it is beyond chance, by a 95 % interval; else 0."""
        return beyond_chance(self.gain or 0.0, self.gain_error or 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


def weigh_heuristics(store: Store, version: int | None = None) -> tuple[Worth, ...]:
    """
    Weigh the heuristics of a published version, the current one where none is named.

    Without a heuristic means that it abstains and the label model stays as it is. Raises
    `LabelpressError` where the manifest or the vote patterns of the version are gone.
    """
    found = store.labels.find(version)
    manifest = read_manifest(store.files, found.run)
    facts = read_facts(store, found.run)
    # what was booked later, by another printing of the period, is not this one's
    ledger = store.ledger.read(facts.ledger_version if facts else None)
    worths = manifest and weigh(store.files, manifest, ledger, found.version)
    if not worths:
        raise LabelpressError(
            f"the {'manifest' if manifest is None else 'vote patterns'} of {found} are gone from "
            "the store, so what its heuristics did is not known."
        )
    return worths


def weigh(
    files: Files, manifest: Manifest, ledger: pl.DataFrame, version: int | None
) -> tuple[Worth, ...]:
    """Weigh the heuristics of a run by its manifest and a ledger; none where its votes are gone."""
    patterns = read_run_patterns(files, manifest)
    if patterns is None:
        return ()
    ledger = ledger.filter(pl.col("heuristic").is_not_null())
    counted = count_slice(patterns, load(manifest.label_model))
    scale = manifest.rows / max(patterns.rows, 1)
    turned = counted.turned.sum(axis=1) * scale
    audits = _Audits.of(files, manifest)
    drifting = {drift.heuristic: drift for drift in manifest.drifting}
    return tuple(
        _weigh(
            note,
            place,
            manifest,
            version,
            round(float(turned[place])),
            audits,
            _spent(ledger, note.name, manifest.period),
            drifting.get(note.name),
        )
        for place, note in enumerate(manifest.heuristics)
    )


@dataclass(frozen=True, slots=True)
class _Audits:
    """The audits drawn uniformly, with votes and labels."""

    votes: NDArray[np.signedinteger]
    answers: NDArray[np.int64]
    right: NDArray[np.bool_]
    label_model: Mapping[str, Any]

    @staticmethod
    def of(files: Files, manifest: Manifest) -> _Audits:
        answers = read_answers(files, manifest.run).filter(pl.col("stratum") == "audit")
        votes = np.array(answers["votes"].to_list(), dtype=Classes(manifest.classes).dtype)
        votes = votes.reshape(answers.height, len(manifest.heuristics))
        codes = answers["code"].to_numpy()
        labels = labels_of_votes(votes, load(manifest.label_model))[0]
        return _Audits(votes, codes, np.equal(labels, codes), manifest.label_model)

    def gain(self, heuristic: int) -> tuple[float, float] | None:
        """Return how much the share of right rows falls without a heuristic, and its error."""
        n = len(self.answers)
        if n < 2:
            return None
        silenced = self.votes.copy()
        silenced[:, heuristic] = ABSTAIN
        left = labels_of_votes(silenced, load(self.label_model))[0] == self.answers
        difference = self.right.astype(np.float64) - left
        return float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(n))

    def precision(self, heuristic: int) -> tuple[int, int]:
        """Return the audits on which a heuristic votes, and those on which it is right."""
        cast = self.votes[:, heuristic] != ABSTAIN
        return int(cast.sum()), int((self.votes[cast, heuristic] == self.answers[cast]).sum())


def _spent(ledger: pl.DataFrame, name: str, period: str) -> tuple[float, float, float]:
    """Return seconds and USD of the period, and USD so far, of a heuristic."""
    mine = ledger.filter((pl.col("heuristic") == name) & (pl.col("period") <= period))
    now = mine.filter(pl.col("period") == period)
    seconds = now.filter(pl.col("unit") == "s")["quantity"].sum()
    return float(seconds), float(now["usd"].sum()), float(mine["usd"].sum())


def _weigh(
    note: HeuristicNote,
    place: int,
    manifest: Manifest,
    version: int | None,
    changed: int,
    audits: _Audits,
    spent: tuple[float, float, float],
    drift: Drift | None,
) -> Worth:
    cast, right = audits.precision(place)
    gain = audits.gain(place)
    advice, evidence = advise(
        note,
        votes=sum(one["coverage"] for one in manifest.statistics if one["name"] == note.name),
        changed=changed,
        gain=gain,
        cast=cast,
        right=right,
        drift=drift.sentence() if drift else "",
    )
    return Worth(
        heuristic=note.name,
        version=version,
        period=manifest.period,
        cpu_seconds=spent[0],
        usd=spent[1],
        usd_so_far=spent[2],
        changed=changed,
        gain=gain[0] if gain else None,
        gain_error=gain[1] if gain else None,
        audits=len(audits.answers),
        votes_audited=cast,
        precision=right / cast if cast else None,
        answers_saved=gain[0] * manifest.rows if gain else None,
        drift=drift.sentence() if drift else "",
        advice=advice,
        evidence=evidence,
    )


def advise(
    note: HeuristicNote,
    *,
    votes: float,
    changed: int,
    gain: tuple[float, float] | None,
    cast: int,
    right: int,
    drift: str,
) -> tuple[Advice, str]:
    """
    Say what to do with a heuristic, and why.

    `votes` is its coverage, `changed` the rows that have another label without it, `gain` what it
    adds to the share of right rows with the standard error, `cast` and `right` its audited votes.
    """
    if votes == 0 and not note.quarantined:
        return "retire", "It never votes."
    if gain is not None and beyond_chance(*gain) < 0:
        return "retire", (
            f"Labels are better without it: {-gain[0]:.2%} more of the rows would be right "
            f"(standard error {gain[1]:.2%}); {right} of its {cast} audited votes are right."
        )
    fault = _fault(note, cast, right, drift)
    if fault:
        return "fix", fault
    if changed == 0:
        return "retire", "No label would be another without it."
    told = f"; {right} of its {cast} audited votes are right" if cast else "; no audit judges it"
    return "keep", f"{changed:,} labels would be others, or none, without it{told}."


def beyond_chance(gain: float, error: float) -> float:
    """Return a gain where its 95 % interval, by its standard error, leaves out 0; else 0."""
    return gain if abs(gain) > 1.96 * error else 0.0


def _fault(note: HeuristicNote, cast: int, right: int, drift: str) -> str:
    """Say what is wrong with a heuristic that is worth mending; empty where nothing is."""
    if note.quarantined:
        return f"It is quarantined: {note.quarantine_reason}."
    if drift or cast < _FEWEST or note.precision is None:
        return drift
    low, high = wilson(right / cast, cast)
    if high >= note.precision - _BELIEF_MARGIN:
        return ""
    return (
        f"{right} of its {cast} audited votes are right ({low:.0%} to {high:.0%}), its author "
        f"believes in {note.precision:.0%}."
    )
