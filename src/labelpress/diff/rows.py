"""The changed rows of one partition: found and charged on a worker, by distinct vote patterns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.classes import ABSTAIN
from labelpress.diff.causes import Cause, ChangedRows, charge
from labelpress.errors import LabelpressError
from labelpress.row_index import read_index
from labelpress.vote_files import ROWS_FILE, folder, read_votes
from labelpress.votes import find_patterns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from labelpress.classes import Classes
    from labelpress.diff.causes import Side
    from labelpress.tables.files import Files
    from labelpress.vote_files import Cell

EXAMPLES = 3
"""So many rows are named for each cause."""


@dataclass(frozen=True, slots=True)
class PartLabels:
    """The labels of one partition in one version, and where what they follow from is."""

    part: str
    path: str
    """Of the label file, inside `labels/`."""
    digest: str
    rows: int
    """Of the partition, dropped ones included."""
    cells: Mapping[str, Cell]
    dropped: tuple[int, ...]
    answers: Mapping[int, int]
    """Class codes by position, of the answers that override."""


PartPair = tuple[PartLabels | None, PartLabels | None]
"""A partition before and after; None where it is new or gone."""


@dataclass(frozen=True, slots=True)
class Example:
    """A row whose label changed."""

    row_id: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class PartDiff:
    """What changed in one partition, or in several together."""

    common: int = 0
    new: int = 0
    gone: int = 0
    rows: Mapping[Cause, int] = field(default_factory=dict)
    examples: Mapping[Cause, tuple[Example, ...]] = field(default_factory=dict)

    def __add__(self, other: PartDiff) -> PartDiff:
        causes = sorted({*self.rows, *other.rows})
        return PartDiff(
            self.common + other.common,
            self.new + other.new,
            self.gone + other.gone,
            {cause: self.rows.get(cause, 0) + other.rows.get(cause, 0) for cause in causes},
            {
                cause: (*self.examples.get(cause, ()), *other.examples.get(cause, ()))[:EXAMPLES]
                for cause in causes
            },
        )


def unread(pair: PartPair) -> PartDiff | None:
    """Compare a partition of which nothing needs to be read; None where that does not do."""
    old, new = pair
    if old is None or new is None:
        only = new or old
        kept = only.rows - len(only.dropped) if only else 0
        return PartDiff(new=kept) if new else PartDiff(gone=kept)
    return PartDiff(common=new.rows - len(new.dropped)) if old.path == new.path else None


def diff_part(
    pair: PartPair, files: Files, before: Side, after: Side, classes: Classes
) -> PartDiff:
    """Compare the labels of one partition in two versions and charge each change to its cause."""
    old, new = pair
    if old is None or new is None:
        return unread(pair) or PartDiff()
    if (old.digest, old.dropped) == (new.digest, new.dropped):
        labels = [_labels(files, side.path, classes) for side in (old, new)]
        positions = _kept(new)
        changed = np.flatnonzero(labels[0] != labels[1])
        matched = pl.DataFrame(
            {
                "position": positions[changed],
                "position_after": positions[changed],
                "label": labels[0][changed],
                "label_after": labels[1][changed],
                "same": np.ones(len(changed), dtype=np.bool_),
            }
        )
        common = len(positions)
    else:
        both = _keyed(files, old, classes).join(
            _keyed(files, new, classes), on="key", suffix="_after"
        )
        common, matched = both.height, _differing(both)
    found = _charged(matched, [old], [new], files, before, after, classes)
    return found + PartDiff(
        common=common,
        new=new.rows - len(new.dropped) - common,
        gone=old.rows - len(old.dropped) - common,
    )


def diff_moved(
    pairs: Sequence[PartPair], files: Files, before: Side, after: Side, classes: Classes
) -> PartDiff:
    """
    Charge the rows that moved from one partition to another, and count them as common.

    Rows are held as integers: the id itself, or its 64-bit hash, under which two of 10 million
    texts are mixed up with a chance of about 1 in 400,000.
    """
    olds, news = [a for a, _ in pairs if a], [b for _, b in pairs if b]
    place = {side.part: number for number, side in enumerate(news)}
    leaving, coming = [], []
    for number, old in enumerate(olds):
        rows = _keyed(files, old, classes).with_columns(pl.lit(number, pl.Int32).alias("part"))
        stayed = news[place[old.part]] if old.part in place else None
        leaving.append(rows if stayed is None else _without(rows, files, stayed))
    stood = {side.part: side for side in olds}
    for number, new in enumerate(news):
        rows = _keyed(files, new, classes).with_columns(pl.lit(number, pl.Int32).alias("part"))
        was = stood.get(new.part)
        coming.append(rows if was is None else _without(rows, files, was))
    if not leaving or not coming:
        return PartDiff()
    both = pl.concat(leaving).join(pl.concat(coming), on="key", suffix="_after")
    found = _charged(_differing(both), olds, news, files, before, after, classes)
    return found + PartDiff(common=both.height, new=-both.height, gone=-both.height)


def _without(rows: pl.DataFrame, files: Files, other: PartLabels) -> pl.DataFrame:
    return rows.join(_keys(files, other).select("key"), on="key", how="anti")


def _kept(side: PartLabels) -> NDArray[np.int64]:
    """Return the positions of the rows that are labelled, in the order of the label file."""
    present = np.ones(side.rows, dtype=np.bool_)
    present[list(side.dropped)] = False
    return np.flatnonzero(present)


def _labels(files: Files, path: str, classes: Classes) -> NDArray[np.int16]:
    """Return the class codes of a label file, -1 for none; refuses a file that is gone."""
    place = f"labels/{path}"
    if not files.exists(place):
        raise LabelpressError(
            f"label file {path!r} is gone from the store: its version was vacuumed. Only versions "
            "that the maintenance policy keeps can be compared."
        )
    names = files.read_parquet(place, columns=["label"])["label"]
    codes = names.cast(pl.Enum(classes.names)).to_physical().cast(pl.Int16)
    return np.asarray(codes.fill_null(ABSTAIN).to_numpy())


def _keys(files: Files, side: PartLabels) -> pl.DataFrame:
    index = read_index(files, side.digest).with_row_index("position")
    if side.dropped:
        index = index.filter(~pl.col("position").is_in(list(side.dropped)))
    ids = index["row_id"]
    return index.select(
        (ids if ids.dtype == pl.Int64 else ids.hash(0)).alias("key"),
        pl.col("position").cast(pl.Int64),
        "row_hash",
    )


def _keyed(files: Files, side: PartLabels, classes: Classes) -> pl.DataFrame:
    """Return key, position, row_hash and label of a partition's rows."""
    labels = pl.Series("label", _labels(files, side.path, classes))
    return _keys(files, side).with_columns(labels)


def _differing(both: pl.DataFrame) -> pl.DataFrame:
    changed = both.filter(pl.col("label") != pl.col("label_after"))
    return changed.with_columns((pl.col("row_hash") == pl.col("row_hash_after")).alias("same"))


def _charged(
    matched: pl.DataFrame,
    olds: Sequence[PartLabels],
    news: Sequence[PartLabels],
    files: Files,
    before: Side,
    after: Side,
    classes: Classes,
) -> PartDiff:
    """Charge the changed rows; `part` columns say in which of several partitions each stands."""
    if matched.height == 0:
        return PartDiff()
    at, at_after = (_places(matched, suffix) for suffix in ("", "_after"))
    votes = _votes(files, olds, at, before.fingerprints, classes)
    # of the same cells, as after a period in which only answers came, they are read once
    alike = before.fingerprints == after.fingerprints and all(map(np.array_equal, at, at_after))
    alike = alike and [(o.digest, o.cells) for o in olds] == [(n.digest, n.cells) for n in news]
    votes_after = votes if alike else _votes(files, news, at_after, after.fingerprints, classes)
    answers, answers_after = _answers(olds, at), _answers(news, at_after)
    states = np.column_stack(
        [
            votes,
            votes_after,
            answers,
            answers_after,
            matched["same"].to_numpy(),
            matched["label"].to_numpy(),
            matched["label_after"].to_numpy(),
        ]
    ).astype(np.int16)
    first, counts = find_patterns(np.asfortranarray(states))
    rows = ChangedRows(
        np.asfortranarray(votes[first]),
        np.asfortranarray(votes_after[first]),
        answers[first],
        answers_after[first],
        matched["same"].to_numpy()[first],
        matched["label"].to_numpy()[first],
        matched["label_after"].to_numpy()[first],
    )
    causes, charged = charge(before, after, rows)
    shown: dict[Cause, NDArray[np.intp]] = {}
    total: dict[Cause, int] = {}
    for place, cause in enumerate(causes):
        mine = np.flatnonzero(charged == place)
        if len(mine):
            total[cause] = int(counts[mine].sum())
            shown[cause] = mine[np.argsort(-counts[mine], kind="stable")][:EXAMPLES]
    ids = _row_ids(files, news, at_after, first[np.concatenate(list(shown.values()))])
    examples = {
        cause: tuple(
            Example(
                ids[int(first[row])],
                _name(rows.labels_before[row], classes),
                _name(rows.labels_after[row], classes),
            )
            for row in some
        )
        for cause, some in shown.items()
    }
    return PartDiff(rows=total, examples=examples)


def _places(matched: pl.DataFrame, suffix: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the number of the partition and the position in it of each row."""
    position = matched[f"position{suffix}"].to_numpy()
    if f"part{suffix}" not in matched.columns:
        return np.zeros(len(position), dtype=np.int64), position
    return matched[f"part{suffix}"].cast(pl.Int64).to_numpy(), position


def _votes(
    files: Files,
    sides: Sequence[PartLabels],
    at: tuple[NDArray[np.int64], NDArray[np.int64]],
    fingerprints: tuple[str, ...],
    classes: Classes,
) -> NDArray[np.signedinteger]:
    """Return the votes of rows given by partition and position, shape (n, m)."""
    parts, positions = at
    votes = np.full((len(parts), len(fingerprints)), ABSTAIN, dtype=classes.dtype, order="F")
    for number in np.unique(parts).tolist():
        side, here = sides[number], np.flatnonzero(parts == number)
        votes[here] = read_votes(
            files, side.cells, fingerprints, side.rows, classes, positions[here]
        )
    return votes


def _answers(
    sides: Sequence[PartLabels], at: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> NDArray[np.int16]:
    """Return the class codes of the answers that override, -1 for none, of rows given likewise."""
    parts, positions = at
    answers = np.full(len(parts), ABSTAIN, dtype=np.int16)
    for number in np.unique(parts).tolist():
        side, here = sides[number], np.flatnonzero(parts == number)
        overriding = np.full(side.rows, ABSTAIN, dtype=np.int16)
        overriding[list(side.answers.keys())] = list(side.answers.values())
        answers[here] = overriding[positions[here]]
    return answers


def _row_ids(
    files: Files,
    sides: Sequence[PartLabels],
    at: tuple[NDArray[np.int64], NDArray[np.int64]],
    wanted: NDArray[np.int64],
) -> dict[int, str]:
    """Return the ids, as text, of some rows."""
    parts, positions = at
    found: dict[int, str] = {}
    for number in np.unique(parts[wanted]).tolist():
        here = wanted[parts[wanted] == number]
        path = f"{folder(sides[number].digest)}/{ROWS_FILE}"
        ids = files.read_parquet(path, columns=["row_id"])["row_id"].gather(positions[here])
        found |= dict(zip(here.tolist(), ids.cast(pl.String).to_list(), strict=True))
    return found


def _name(code: np.int16, classes: Classes) -> str | None:
    return None if code == ABSTAIN else classes.names[code]
