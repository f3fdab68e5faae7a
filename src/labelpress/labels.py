"""Labels: from votes, a label model and answers to the label of each row, and what that changes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from labelpress.classes import ABSTAIN
from labelpress.slices import MOST_VALUES, attribute_of, crowded, slice_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from labelpress.classes import Classes
    from labelpress.label_models.contract import LabelModel


_ORIGINS = ("none", "program", "expert")


@dataclass(frozen=True, slots=True)
class CohortLabels:
    """What a certificate needs to know of the labels of one cohort."""

    rows: int
    labelled: int
    confidence_sum: float
    """Over the labelled rows."""
    confidence_sumsq: float

    def __add__(self, other: CohortLabels) -> CohortLabels:
        return CohortLabels(*(getattr(self, n) + getattr(other, n) for n in CohortLabels.__slots__))


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """What a partition's labels add up to."""

    rows: int
    labelled: int
    by_class: tuple[int, ...]
    """Rows per class code."""
    by_expert: int
    """Rows whose label is an expert's answer."""
    cohorts: Mapping[str, CohortLabels]
    by_label: Mapping[str, Mapping[str, CohortLabels]] = field(default_factory=dict)
    """For each class that labels rows, those rows, by cohort."""
    by_slice: Mapping[str, Mapping[str, CohortLabels]] = field(default_factory=dict)
    """For each declared slice its rows, by cohort."""
    crowded: tuple[str, ...] = ()
    """Attributes with too many values to be slices."""


def label_rows(
    row_ids: pl.Series,
    votes: NDArray[np.signedinteger],
    model: LabelModel,
    classes: Classes,
    answers: Mapping[int, int],
    cohorts: pl.Series,
) -> pl.DataFrame:
    """
    Label the rows of a partition.

    `votes` has shape (n, m), `answers` maps positions to class codes that override. A row without
    a vote and without an answer stays unlabelled (origin `none`), whatever its probabilities are.
    """
    probabilities = np.array(model.predict_proba(votes), dtype=np.float64)
    n_votes = (votes != -1).sum(axis=1).astype(np.int32)
    origin = (n_votes > 0).astype(np.intp)  # a place in _ORIGINS, for texts are slow to make
    positions = np.fromiter(answers.keys(), dtype=np.int64, count=len(answers))
    codes = np.fromiter(answers.values(), dtype=np.int64, count=len(answers))
    probabilities[positions] = np.eye(len(classes))[codes]
    origin[positions] = _ORIGINS.index("expert")
    best = probabilities.argmax(axis=1)
    labelled = origin != _ORIGINS.index("none")
    names = pl.Series(classes.names, dtype=pl.String).gather(best)
    return pl.DataFrame(
        {
            "row_id": row_ids,
            "label": names.set(pl.Series(~labelled), None),
            "probabilities": pl.Series(probabilities).cast(pl.List(pl.Float64)),
            "confidence": probabilities.max(axis=1),
            "origin": pl.Series(_ORIGINS, dtype=pl.String).gather(origin),
            "n_votes": n_votes,
            "cohort": cohorts,
        }
    )


def labels_of_votes(
    votes: NDArray[np.signedinteger], model: LabelModel
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the class codes that votes alone lead to, -1 where nobody votes; and probabilities."""
    probabilities = model.predict_proba(votes)
    labels = probabilities.argmax(axis=1)
    labels[(votes == ABSTAIN).all(axis=1)] = ABSTAIN
    return labels, probabilities


def without(frame: pl.DataFrame, dropped: Collection[int]) -> pl.DataFrame:
    """Return the rows of a partition but those at some positions."""
    return frame.filter(~pl.int_range(pl.len()).is_in(list(dropped)))


def replace_rows(frame: pl.DataFrame, places: NDArray[np.intp], rows: pl.DataFrame) -> pl.DataFrame:
    """Return a label frame with the rows at some ascending places replaced by others."""
    rows = rows.select(frame.columns)
    # what lies between is taken as it stands: few rows are replaced, and many are not looked at
    pieces, start = [], 0
    for number, place in enumerate(places.tolist()):
        pieces += [frame.slice(start, place - start), rows.slice(number, 1)]
        start = place + 1
    return pl.concat([*pieces, frame.slice(start)], rechunk=True)


def count_labels(
    frame: pl.DataFrame, classes: Classes, slices: pl.DataFrame | None = None
) -> LabelCounts:
    """
    Add up the labels of a partition; `slices` sorts the same rows (see `sort_rows`).

    The rows are looked at once: alike ones are added up, and the sums of these are added up by
    cohort, label and slice.
    """
    too_many = () if slices is None else crowded(slices)
    sorted_ = pl.DataFrame() if slices is None else slices.drop(too_many)
    places = {name: f"slice {place}" for place, name in enumerate(sorted_.columns)}
    alike = ["label", "origin", "cohort", *places.values()]
    sums = (
        frame.select("label", "origin", "cohort", confidence=_of_labelled("confidence"))
        .hstack(sorted_.rename(places))
        .group_by(alike, maintain_order=True)
        .agg(
            rows=pl.len().cast(pl.Int64),
            total=pl.col("confidence").sum(),
            square=(pl.col("confidence") ** 2).sum(),
        )
    ).with_columns(labelled=_of_labelled("rows"))
    known = sums.filter(pl.col("label").is_not_null())
    by_class = dict(known.group_by("label").agg(pl.col("rows").sum()).iter_rows())
    by_slice: dict[str, dict[str, CohortLabels]] = {}
    for name, place in places.items():
        found = _count_by(sums, place)
        if sorted_[name].dtype == pl.Boolean:
            by_slice[name] = found.get(True, {})
        else:
            by_slice |= {slice_name(name, value): cohorts for value, cohorts in found.items()}
    return LabelCounts(
        rows=frame.height,
        labelled=int(sums["labelled"].sum()),
        by_class=tuple(int(by_class.get(name, 0)) for name in classes.names),
        by_expert=int(sums.filter(pl.col("origin") == "expert")["rows"].sum()),
        cohorts=_count_by(sums.with_columns(all=pl.lit("all")), "all").get("all", {}),
        by_label={str(label): cohorts for label, cohorts in _count_by(known, "label").items()},
        by_slice=by_slice,
        crowded=too_many,
    )


def _of_labelled(column: str) -> pl.Expr:
    return pl.when(pl.col("label").is_not_null()).then(column).otherwise(0)


def _count_by(sums: pl.DataFrame, key: str) -> dict[Any, dict[str, CohortLabels]]:
    """Add up the sums of alike rows by a column and by cohort, in order of both."""
    by_key = sums.group_by(key, "cohort", maintain_order=True).agg(
        pl.col("rows", "labelled", "total", "square").sum()
    )
    found: dict[Any, dict[str, CohortLabels]] = {}
    for value, cohort, *figures in by_key.sort(key, "cohort").iter_rows():
        found.setdefault(value, {})[cohort] = CohortLabels(*figures)
    return found


def add_counts(parts: list[LabelCounts], classes: Classes) -> LabelCounts:
    """Add the label counts of several partitions."""
    by_slice = _add_groups([part.by_slice for part in parts])
    values = Counter(attribute_of(name) for name in by_slice)
    too_many = {name for part in parts for name in part.crowded}
    too_many |= {name for name, count in values.items() if name and count > MOST_VALUES}
    # A partition written before a class was registered has a shorter count.
    by_class = [
        sum(part.by_class[code] for part in parts if code < len(part.by_class))
        for code in range(len(classes))
    ]
    return LabelCounts(
        rows=sum(part.rows for part in parts),
        labelled=sum(part.labelled for part in parts),
        by_class=tuple(by_class),
        by_expert=sum(part.by_expert for part in parts),
        cohorts=_add_cohorts([part.cohorts for part in parts]),
        by_label=_add_groups([part.by_label for part in parts]),
        by_slice={n: sums for n, sums in by_slice.items() if attribute_of(n) not in too_many},
        crowded=tuple(sorted(too_many)),
    )


def _add_cohorts(parts: list[Mapping[str, CohortLabels]]) -> dict[str, CohortLabels]:
    total: dict[str, CohortLabels] = {}
    for part in parts:
        for cohort, more in part.items():
            total[cohort] = total[cohort] + more if cohort in total else more
    return dict(sorted(total.items()))


def _add_groups(
    parts: list[Mapping[str, Mapping[str, CohortLabels]]],
) -> dict[str, dict[str, CohortLabels]]:
    names = sorted({name for part in parts for name in part})
    return {name: _add_cohorts([part.get(name, {}) for part in parts]) for name in names}


@dataclass(frozen=True, slots=True)
class Change:
    """How the labels of a partition differ from the published ones."""

    common: int = 0
    """Rows in both."""
    relabelled: int = 0
    """Of those, rows whose label differs though no answer is new; null is a value."""
    answered: int = 0
    """Of those, rows whose label differs by an expert's answer."""
    new: int = 0
    gone: int = 0

    def __add__(self, other: Change) -> Change:
        return Change(*(getattr(self, n) + getattr(other, n) for n in Change.__slots__))

    @property
    def churn(self) -> float | None:
        """Share of the common rows whose label differs; None where there are none."""
        return (self.relabelled + self.answered) / self.common if self.common else None


def compare(old: pl.DataFrame, new: pl.DataFrame) -> Change:
    """Compare two label frames by row_id; each has row_id, label and origin."""
    before, after = (frame.select("row_id", "label", "origin") for frame in (old, new))
    if before["row_id"].equals(after["row_id"]):
        # a partition that stayed keeps its order; ids are unique, so this is what a join gives
        named = after.select("label", "origin").rename(
            {"label": "label_new", "origin": "origin_new"}
        )
        joined = before.hstack(named)
    else:
        joined = before.join(after, on="row_id", how="inner", suffix="_new")
    differs = pl.col("label").ne_missing(pl.col("label_new"))
    answer = (pl.col("origin") == "expert") | (pl.col("origin_new") == "expert")
    return Change(
        common=joined.height,
        relabelled=joined.filter(differs & ~answer).height,
        answered=joined.filter(differs & answer).height,
        new=new.height - joined.height,
        gone=old.height - joined.height,
    )
