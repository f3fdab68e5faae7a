"""
Causes: which one change between two versions is enough to give a row its new label.

A row's label follows from its votes, its answer and the label model. Each thing that changed is
replayed alone, on top of everything else as it was, in the order of `CauseKind`; the first whose
replay gives the new label is the cause, and a label that none of them gives alone is `joint`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from labelpress.classes import ABSTAIN
from labelpress.label_models import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from labelpress.label_models import LabelModel
    from labelpress.manifest import Manifest

CauseKind = Literal["rows", "heuristic", "answers", "base_rate", "refit", "joint", "not_replayable"]
"""In the order in which they are tried; what comes after `refit` is what is left."""


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """One cause of changed labels."""

    kind: CauseKind
    heuristic: str = ""
    """The name of the edited, added or removed heuristic; empty for the other kinds."""

    def __str__(self) -> str:
        words = {
            "rows": "changed rows",
            "heuristic": f"heuristic {self.heuristic}",
            "answers": "answers",
            "base_rate": "base rate",
            "refit": "label-model refit",
            "joint": "joint: several together",
            "not_replayable": "not replayable: recomputing does not give the stored label",
        }
        return words[self.kind]


@dataclass(frozen=True)
class Side:
    """What one of two versions makes labels of, the same for all its rows."""

    heuristics: tuple[str, ...]
    """Names in the order of the vote columns."""
    fingerprints: tuple[str, ...]
    """Beside the names; empty for a heuristic that is quarantined."""
    label_model: Mapping[str, Any]

    @staticmethod
    def of(manifest: Manifest) -> Side:
        """Take from a manifest what labels follow from."""
        return Side(
            tuple(note.name for note in manifest.heuristics),
            tuple("" if note.quarantined else note.fingerprint for note in manifest.heuristics),
            manifest.label_model,
        )

    @cached_property
    def model(self) -> LabelModel:
        """The label model."""
        return load(self.label_model)

    def labels(
        self,
        votes: NDArray[np.signedinteger],
        answers: NDArray[np.int16],
        prior: NDArray[np.float64] | None = None,
    ) -> NDArray[np.int16]:
        """
        Return the class code of each row, -1 for none: an answer, or else what the model says.

        With `prior` the model's probabilities are weighted by it, shape (K,).
        """
        # A class that was declared later is one that this model has never heard of.
        known = np.where(votes < len(self.model.base_rate), votes, ABSTAIN).astype(votes.dtype)
        silent = (known == ABSTAIN).all(axis=1)
        probabilities = self.model.predict_proba(known)
        if prior is not None:
            probabilities = probabilities * prior
        said = probabilities.argmax(axis=1).astype(np.int16)
        said[silent] = ABSTAIN
        return np.where(answers != ABSTAIN, answers, said)


@dataclass(frozen=True, slots=True)
class ChangedRows:
    """Rows whose label differs between two versions; each array has one entry per row."""

    votes_before: NDArray[np.signedinteger]
    """Shape (n, m) for the m heuristics of the version before."""
    votes_after: NDArray[np.signedinteger]
    answers_before: NDArray[np.int16]
    """Class code of the answer that overrides, -1 where there is none, shape (n,)."""
    answers_after: NDArray[np.int16]
    same: NDArray[np.bool_]
    """Whether the row's content is what it was, shape (n,)."""
    labels_before: NDArray[np.int16]
    """The stored labels, -1 where there is none, shape (n,)."""
    labels_after: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.same)


def charge(
    before: Side, after: Side, rows: ChangedRows
) -> tuple[tuple[Cause, ...], NDArray[np.intp]]:
    """Return the causes there may be, and for each row the place of its one cause among them."""
    replays = list(_replays(before, after, rows))
    causes = (*(cause for cause, _ in replays), Cause("joint"), Cause("not_replayable"))
    charged = np.full(len(rows), len(replays), dtype=np.intp)
    for place in reversed(range(len(replays))):  # so that the first that is enough stands last
        charged[replays[place][1]] = place
    right = before.labels(rows.votes_before, rows.answers_before) == rows.labels_before
    right &= after.labels(rows.votes_after, rows.answers_after) == rows.labels_after
    charged[~right] = len(replays) + 1
    return causes, charged


def _replays(
    before: Side, after: Side, rows: ChangedRows
) -> Iterator[tuple[Cause, NDArray[np.bool_]]]:
    """Yield everything that changed, in order, with the rows whose new label it gives alone."""
    old = dict(zip(before.heuristics, before.fingerprints, strict=True))
    new = dict(zip(after.heuristics, after.fingerprints, strict=True))
    column = {name: place for place, name in enumerate(before.heuristics)}
    column_after = {name: place for place, name in enumerate(after.heuristics)}
    edited = [name for name in new if name in old and old[name] != new[name]]
    votes, answers = rows.votes_before, rows.answers_before

    def enough(side: Side, votes: Any, answers: Any, prior: Any = None) -> NDArray[np.bool_]:
        return np.asarray(side.labels(votes, answers, prior) == rows.labels_after)

    # On a changed row an edited heuristic's vote counts as its edit: the old code never saw it.
    content = votes.copy()
    for name in old.keys() & new.keys() - set(edited):
        content[:, column[name]] = rows.votes_after[:, column_after[name]]
    gone_stale = (rows.answers_after == ABSTAIN) & ~rows.same
    kept = np.where(gone_stale, np.int16(ABSTAIN), answers)
    yield Cause("rows"), ~rows.same & enough(before, content, kept)
    for name in [*edited, *(name for name in old if name not in new)]:
        replayed = votes.copy()
        cast = rows.votes_after[:, column_after[name]] if name in new else ABSTAIN
        replayed[:, column[name]] = cast
        moved = replayed[:, column[name]] != votes[:, column[name]]
        yield Cause("heuristic", name), moved & enough(before, replayed, answers)
    aligned = np.full_like(rows.votes_after, ABSTAIN)
    for name in old.keys() & new.keys():
        aligned[:, column_after[name]] = votes[:, column[name]]
    for name in (name for name in new if name not in old):
        # The old model has no weight for it, so it is judged by the new one, with it and without.
        replayed = aligned.copy()
        replayed[:, column_after[name]] = rows.votes_after[:, column_after[name]]
        without = after.labels(aligned, answers) == rows.labels_before
        yield Cause("heuristic", name), without & enough(after, replayed, answers)
    told = rows.answers_after != answers
    yield Cause("answers"), told & enough(before, votes, rows.answers_after)
    if before.label_model == after.label_model:
        return
    prior = _prior_shift(before.model.base_rate, after.model.base_rate)
    if prior is not None:
        yield Cause("base_rate"), enough(before, votes, answers, prior)
    yield Cause("refit"), enough(after, aligned, answers)


def _prior_shift(
    before: NDArray[np.float64], after: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """
    Return the weights that move probabilities to another base rate; None where it is the same.

    Saerens, Latinne and Decaestecker (2002), equation 2.4: the ratio of the base rates.
    """
    if len(before) != len(after) or np.array_equal(before, after):
        return None
    return np.asarray(after / np.maximum(before, 1e-12))
