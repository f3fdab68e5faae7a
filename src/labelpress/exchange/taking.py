"""Taking answers: which lines count, why the others do not, and each answer exactly once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from labelpress.errors import PublicationRefusedError, StoreError, did_you_mean
from labelpress.exchange.ask_files import harmless
from labelpress.tables.schemas import ANSWERS

if TYPE_CHECKING:
    from labelpress.classes import Classes
    from labelpress.exchange.lines import AnswerLines
    from labelpress.store import Store

REJECTED = ".rejected.csv"

_ATTEMPTS = 30
_HINTS = 100
"""Unknown labels that get a hint; a file of free texts would take minutes."""


@dataclass(frozen=True, slots=True)
class Sorted:
    """Answer lines, sorted into those to take and the rest."""

    taken: pl.DataFrame
    """With the columns of `ANSWERS`."""
    refused: pl.DataFrame
    """`line` and `refused`, a reason, in order of the lines."""
    repeated: int
    """Lines that say what was taken before, or what another line says."""
    blank: int
    """Lines that nobody has filled in yet: neither label nor annotator."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of the lines of one file, or of one look at a tool."""

    answers: int
    """Answers taken, skips among them."""
    skips: int
    repeated: int
    blank: int
    rejected: pl.DataFrame
    """`line`, `refused` and what the line said."""
    batch: str = ""
    """The id under which they were appended; empty where none were taken."""

    def sentence(self) -> str:
        """Return what happened, for a person."""
        parts = [f"{self.answers} answers were taken"]
        parts += [f"{self.skips} of them skips"] if self.skips else []
        parts += [f"{self.repeated} were known"] if self.repeated else []
        parts += [f"{self.blank} lines are not filled in"] if self.blank else []
        parts += [f"{self.rejected.height} were refused"] if self.rejected.height else []
        return ", ".join(parts)


def rejected_name(name: str) -> str:
    """Return the name of the list of what was refused of a file; no two files share one."""
    return name.removesuffix(".csv") + REJECTED


def take_answers(store: Store, said: AnswerLines, *, late: bool = False) -> Taken:
    """
    Append what is new among the lines to the answers; the same lines again change nothing.

    What two imports at once both bring lands once: the append is a compare-and-swap on the version
    of the table that the lines were compared with. With `late` asks that expired are answered too.
    """
    for _ in range(_ATTEMPTS):
        version = store.answers.version()
        found = sort_out(
            said.lines,
            store.asks.read(),
            store.answers.read(version),
            store.classes,
            datetime.now(UTC),
            late=late,
        )
        batch = _batch_of(found.taken)
        if found.taken.height:
            try:
                store.answers.append(found.taken, batch=batch, expect_version=version)
            except PublicationRefusedError:
                continue
        return Taken(
            answers=found.taken.height,
            skips=found.taken["label"].null_count(),
            repeated=found.repeated,
            blank=found.blank,
            rejected=_listed(said, found.refused),
            batch=batch if found.taken.height else "",
        )
    raise StoreError(
        f"The answers at {store.answers.uri} changed {_ATTEMPTS} times while new ones were being "
        "taken. None of these were: import them again when fewer imports run."
    )


def sort_out(
    lines: pl.DataFrame,
    asks: pl.DataFrame,
    answers: pl.DataFrame,
    classes: Classes,
    now: datetime,
    *,
    late: bool = False,
) -> Sorted:
    """
    Sort lines (columns of `LINES`) by what is to be done with each.

    One answer per ask and annotator is taken; a label takes the place of an earlier skip. A line
    without a label is a skip if it names an annotator. An answer given, by its own clock, before
    the ask was put or after now is booked at that end: clocks lie. One given after the ask
    expired is refused unless `late`.
    """
    filled = lines.filter(pl.col("label").is_not_null() | pl.col("annotator").is_not_null())
    asked = asks.select(
        "ask_id", pl.col("row_id").alias("asked_row"), "row_hash", "created", "expires"
    ).unique("ask_id", keep="first")
    before = answers.group_by("ask_id", "annotator").agg(
        pl.col("label").drop_nulls().last().alias("had"), pl.lit(value=True).alias("known")
    )
    joined = filled.join(asked, on="ask_id", how="left", maintain_order="left").join(
        before, on=["ask_id", "annotator"], how="left", maintain_order="left"
    )
    given = pl.max_horizontal(pl.col("answered").fill_null(pl.lit(now)), "created")
    judged = joined.with_columns(
        pl.min_horizontal(given, pl.lit(now)).alias("answered")
    ).with_columns(_faults(classes, _unknown(filled, classes), late=late).alias("refused"))
    good = judged.filter(pl.col("refused").is_null())
    faulty = judged.filter(pl.col("refused").is_not_null()).select("line", "refused")
    chosen, others = _first_of_each(good)
    repeats, contradictions = _compare(others, chosen)
    known, fresh, changed = _against_earlier(chosen)
    refused = pl.concat([faulty, contradictions, changed]).sort("line")
    return Sorted(
        taken=_as_answers(fresh, now),
        refused=refused,
        repeated=repeats + known,
        blank=lines.height - filled.height,
    )


def _unknown(lines: pl.DataFrame, classes: Classes) -> dict[str, str]:
    """Return what to say of each label that is no class."""
    labels = set(lines["label"].drop_nulls().to_list()) - set(classes.names)
    return {
        name: f"no such class {name!r}.{did_you_mean(name, classes.names)}"
        for name in sorted(labels)[:_HINTS]
    }


def _faults(classes: Classes, unknown: dict[str, str], *, late: bool) -> pl.Expr:
    """Return why a line, taken by itself, cannot be an answer; null where it can."""
    label, expires = pl.col("label"), pl.col("expires")
    return (
        pl.when(pl.col("ask_id").is_null())
        .then(pl.lit("names no ask"))
        .when(pl.col("asked_row").is_null())
        .then(pl.lit("no such ask in this project"))
        .when(
            (pl.col("row_id") != pl.col("asked_row")) & (pl.col("row_id") != harmless("asked_row"))
        )
        .then(pl.format("the ask is about row {}, not row {}", "asked_row", "row_id"))
        .when(pl.col("annotator").is_null())
        .then(pl.lit("no annotator"))
        .when(label.is_not_null() & ~label.is_in(list(classes.names)))
        .then(label.replace_strict(unknown, default="no such class", return_dtype=pl.String))
        .when((pl.col("answered") > expires) & pl.lit(not late))
        .then(
            pl.format(
                "the ask expired on {} and the answer says no earlier time; import with --late "
                "to take it all the same",
                expires.dt.strftime("%Y-%m-%d"),
            )
        )
    )


def _first_of_each(good: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split lines into the first per ask and annotator, a label before a skip, and the others."""
    ordered = good.sort(pl.col("label").is_null(), "line", maintain_order=True)
    first = ordered.select(pl.struct("ask_id", "annotator").is_first_distinct()).to_series()
    return ordered.filter(first).sort("line", maintain_order=True), ordered.filter(~first)


def _compare(others: pl.DataFrame, chosen: pl.DataFrame) -> tuple[int, pl.DataFrame]:
    """Count the lines that repeat a chosen one; list those that contradict it."""
    key = ["ask_id", "annotator"]
    first = chosen.select(*key, pl.col("line").alias("first"), pl.col("label").alias("said"))
    compared = others.join(first, on=key, how="left")
    differs = pl.col("label").is_not_null() & pl.col("label").ne_missing(pl.col("said"))
    contradictions = compared.filter(differs).select(
        "line", pl.format("line {} answers the same ask with {}", "first", "said").alias("refused")
    )
    return compared.height - contradictions.height, contradictions


def _against_earlier(chosen: pl.DataFrame) -> tuple[int, pl.DataFrame, pl.DataFrame]:
    """Return how many lines are known, those that are new, and those that change an answer."""
    new = pl.col("known").is_null() | (pl.col("had").is_null() & pl.col("label").is_not_null())
    differs = ~new & pl.col("label").is_not_null() & pl.col("label").ne_missing(pl.col("had"))
    fresh = chosen.filter(new)
    changed = chosen.filter(differs).select(
        "line",
        pl.format("{} answered this ask before, with {}", "annotator", "had").alias("refused"),
    )
    return chosen.height - fresh.height - changed.height, fresh, changed


def _as_answers(fresh: pl.DataFrame, now: datetime) -> pl.DataFrame:
    return fresh.select(
        "ask_id",
        pl.col("asked_row").alias("row_id"),
        "row_hash",
        "label",
        "annotator",
        "seconds",
        "seconds_source",
        "rationale",
        "tool",
        pl.lit(value=False).alias("simulated"),
        "answered",
        pl.lit(now).alias("imported"),
    ).cast(ANSWERS)


def _batch_of(taken: pl.DataFrame) -> str:
    """Return an id that the same answers have whichever process takes them."""
    said = sorted(
        "\x1f".join((ask, annotator, label or ""))
        for ask, annotator, label in taken.select("ask_id", "annotator", "label").iter_rows()
    )
    return "import:" + hashlib.blake2b("\x1e".join(said).encode(), digest_size=8).hexdigest()


def _listed(said: AnswerLines, refused: pl.DataFrame) -> pl.DataFrame:
    """Return the lines that were refused, each with its reason and what it said."""
    by_line = refused.join(
        said.said.unique("line", keep="first"), on="line", how="left", suffix="_said"
    )
    return pl.concat([by_line, said.damaged], how="diagonal").sort("line", maintain_order=True)
