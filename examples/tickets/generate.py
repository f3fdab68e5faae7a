"""
Draw synthetic support tickets whose truth is known, with faults planted on purpose.

Nothing here was written by a customer. README.md says what is planted where; the constants below
say how much of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from examples.tickets import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

START: Final = date(2026, 1, 5)
"""The Monday of week 0."""
BASE_RATE: Final = (0.30, 0.20, 0.30, 0.05, 0.15)
"""Of the classes of words.py in week 0; `abuse` is the rare one."""
OUTAGE_GAIN, OUTAGE_WEEKS = 0.01, 10
"""Drift: what `outage` wins and `howto` loses each week, for so many weeks."""
LAUNCH_WEEK, RELAY_SHARE = 4, 0.10
"""Drift: from its launch on a new product takes this share of the tickets."""
RELEASE_WEEK, ROLLOUT_WEEKS, ROLLOUT_SHARE = 5, 4, 0.95
"""The stale heuristic: a release reaches this share of the customers within so many weeks. It gives
the codes E5xx, which server errors had, to declined cards."""
DIALECT_SHARE: Final = 0.35
"""The planted bias: the share of the islands' tickets that open in dialect."""
WRONG_SHARE: Final = 0.03
"""Planted wrong answers: the share of tickets on which the experts will err."""
VAGUE_SHARE: Final = 0.08
"""Tickets that tell next to nothing of their class."""
MIXED_SHARE: Final = 0.18
"""Tickets that speak of a second matter: each sentence is as likely about that one."""

_BILLING, _OUTAGE, _HOWTO, _ABUSE = range(4)
_NOTHING: Final = len(words.CLASSES)
"""The kind of sentence that tells nothing."""
_RELAY, _ISLANDS = words.PRODUCTS.index("relay"), words.REGIONS.index("islands")
_TOPICS: Final = ("payment", "technical", "question", "report", "misc")
_PRODUCT_SHARES: Final = np.array(
    [  # core, mobile, gateway, checkout, academy
        [0.35, 0.20, 0.05, 0.35, 0.05],  # billing
        [0.30, 0.20, 0.40, 0.08, 0.02],  # outage
        [0.38, 0.27, 0.05, 0.05, 0.25],  # howto
        [0.50, 0.40, 0.02, 0.05, 0.03],  # abuse
        [0.45, 0.30, 0.08, 0.07, 0.10],  # other
    ]
)
_REGION_SHARES: Final = (0.28, 0.24, 0.20, 0.16, 0.12)
_CHANNEL_SHARES: Final = (0.40, 0.30, 0.20, 0.10)
_MEAN_AGE: Final = np.array([500.0, 500.0, 120.0, 150.0, 300.0])
_SHOUTING: Final = np.array([0.005, 0.04, 0.002, 0.30, 0.002])


@dataclass(frozen=True, slots=True)
class Phrases:
    """Texts by kind, laid out one kind after the other so that rows can be drawn all at once."""

    texts: pl.Series
    first: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, by_kind: Sequence[Sequence[str]]) -> Phrases:
        """Lay out the texts of each kind."""
        sizes = np.array([len(texts) for texts in by_kind])
        texts = [text for texts in by_kind for text in texts]
        return cls(pl.Series(texts, dtype=pl.String), np.cumsum(sizes) - sizes, sizes)

    def draw(self, kinds: NDArray[np.int64], rng: np.random.Generator) -> pl.Series:
        """Draw a text of each row's kind."""
        places = (rng.random(len(kinds)) * self.sizes[kinds]).astype(np.int64)
        return self.texts.gather(self.first[kinds] + places)


_SUBJECTS: Final = Phrases.of(tuple(words.SUBJECTS.values()))
_CORES: Final = Phrases.of((*words.CORES.values(), words.RELAY))
_HINTS: Final = Phrases.of(tuple(words.HINTS.values()))
_OPENERS: Final = Phrases.of((words.OPENERS, words.DIALECT))
_CLOSERS: Final = Phrases.of((words.CLOSERS, ("",)))
_DETAILS: Final = Phrases.of((words.DETAILS,))
_TOOLS: Final = Phrases.of((words.TOOLS,))


def base_rate(week: int) -> NDArray[np.float64]:
    """Return the class distribution of a week, shape (5,)."""
    rate = np.array(BASE_RATE)
    gained = OUTAGE_GAIN * min(week, OUTAGE_WEEKS)
    rate[_OUTAGE] += gained
    rate[_HOWTO] -= gained
    return rate


def rolled_out(week: int) -> float:
    """Return the share of customers whose software gives E5xx codes to declined cards."""
    return ROLLOUT_SHARE * min(max(week - RELEASE_WEEK + 1, 0) / ROLLOUT_WEEKS, 1.0)


def draw_tickets(
    week: int, rows: int, rng: np.random.Generator, *, first_id: int, wrong: float = WRONG_SHARE
) -> pl.DataFrame:
    """
    Draw the tickets of a week.

    Columns: `ticket_id` (Int64, from `first_id` on), `created` (Date), `channel`, `region`,
    `product`, `age_days` (Int32: of the customer's account), `topic` (what the web form was told;
    null elsewhere), `subject`, `body`, `gold` (what an expert answers), and what nobody but a test
    may know: `truth`, `wrong_answer`, `dialect`, `moved_code` (a declined card with a code E5xx).
    """
    rates = np.broadcast_to(base_rate(week), (rows, 5))
    truth = _choose(rates, rng)
    product = _choose(_PRODUCT_SHARES[truth], rng)
    if week >= LAUNCH_WEEK:
        product[rng.random(rows) < RELAY_SHARE] = _RELAY
    region = _choose(np.broadcast_to(_REGION_SHARES, (rows, 5)), rng)
    channel = _choose(np.broadcast_to(_CHANNEL_SHARES, (rows, 4)), rng)
    dialect = (region == _ISLANDS) & (rng.random(rows) < DIALECT_SHARE)
    moved = rng.random(rows) < rolled_out(week)
    by_phone = channel == words.CHANNELS.index("phone")
    matters = _Matters(
        truth,
        second=_choose(rates, rng),
        mixed=rng.random(rows) < MIXED_SHARE,
        vague=rng.random(rows) < VAGUE_SHARE,
    )
    core = matters.told(0.90, 0.05, rng)
    core[(product == _RELAY) & (rng.random(rows) < 0.6)] = _NOTHING + 1
    fills = _fills(truth, product, moved, rng)
    subject = _filled(_SUBJECTS.draw(matters.told(0.50, 0.46, rng), rng), fills)
    opener = _filled(_OPENERS.draw(dialect.astype(np.int64), rng), fills)
    said = _filled(_CORES.draw(core, rng), fills)
    hint = _filled(_HINTS.draw(matters.told(0.45, 0.50, rng), rng), fills)
    closer = _CLOSERS.draw((channel == words.CHANNELS.index("chat")).astype(np.int64), rng)
    detail = _DETAILS.draw(np.zeros(rows, dtype=np.int64), rng)
    body = opener + said + " " + detail + " " + hint + closer
    shouted = rng.random(rows) < _SHOUTING[truth]

    topic = np.where(rng.random(rows) < 0.8, truth, rng.integers(0, 5, rows))
    on_web = channel == words.CHANNELS.index("web")
    err = rng.random(rows) < wrong
    answered = np.where(err, (truth + rng.integers(1, 5, rows)) % 5, truth)
    age = rng.exponential(_MEAN_AGE[truth])
    monday = START + timedelta(weeks=week)
    frame = pl.DataFrame(
        {
            "ticket_id": np.arange(first_id, first_id + rows, dtype=np.int64),
            "created": pl.Series(rng.integers(0, 7, rows)).cast(pl.Int32)
            + (monday - date(1970, 1, 1)).days,
            "channel": _named(words.CHANNELS, channel),
            "region": _named(words.REGIONS, region),
            "product": _named(words.PRODUCTS, product),
            "age_days": age.astype(np.int32),
            "topic": _named(_TOPICS, topic).set(pl.Series(~on_web), None),
            "subject": subject.set(pl.Series(by_phone), "Phone call"),
            "body": body.zip_with(pl.Series(~shouted), body.str.to_uppercase()),
            "gold": _named(words.CLASSES, answered),
            "truth": _named(words.CLASSES, truth),
            "wrong_answer": err,
            "dialect": dialect,
            "moved_code": moved & (truth == _BILLING),
        }
    )
    text = pl.concat_str("subject", "body", separator=" ")
    return frame.with_columns(
        pl.col("created").cast(pl.Date),
        pl.col("moved_code") & text.str.contains(r"\bE5\d\d\b"),
    )


def _choose(shares: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw one column per row of a matrix of shares, shape (n, k)."""
    steps = np.cumsum(shares, axis=1)[:, :-1]
    return np.asarray((rng.random(len(shares))[:, None] >= steps).sum(axis=1))


@dataclass(frozen=True, slots=True)
class _Matters:
    """What each ticket is about; class codes and masks, one per row."""

    truth: NDArray[np.int64]
    second: NDArray[np.int64]
    mixed: NDArray[np.bool_]
    vague: NDArray[np.bool_]

    def told(self, honest: float, silent: float, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the kind of a sentence: that of the matter, one that tells nothing, or a slip."""
        lot = rng.random(len(self.truth))
        aside = self.mixed & (rng.random(len(self.truth)) < 0.5)
        kind = np.where((lot < honest) & ~aside, self.truth, self.second)
        kind[(lot >= honest) & (lot < honest + silent)] = _NOTHING
        kind[self.vague & (rng.random(len(self.truth)) < 0.9)] = _NOTHING
        return kind


def _fills(
    truth: NDArray[np.int64],
    product: NDArray[np.int64],
    moved: NDArray[np.bool_],
    rng: np.random.Generator,
) -> dict[str, pl.Series]:
    """Draw what stands in the places of the sentences."""
    rows = len(truth)
    # 2xx and 5xx before the release, 5xx and 7xx after it
    hundreds = np.where(truth == _BILLING, 200, 500) + np.where(
        moved, np.where(truth == _BILLING, 300, 200), 0
    )
    cents = rng.integers(190, 99_900, rows)
    clock = rng.integers(0, 24 * 12, rows)
    numbers = pl.DataFrame(
        {
            "euro": cents // 100,
            "cent": cents % 100,
            "invoice": rng.integers(10_000, 100_000, rows),
            "code": hundreds + rng.integers(0, 100, rows),
            "hour": clock // 12,
            "minute": clock % 12 * 5,
        }
    ).with_columns(pl.all().cast(pl.String))
    filled = numbers.select(
        pl.concat_str("euro", pl.lit("."), pl.col("cent").str.zfill(2), pl.lit(" EUR")).alias(
            "{amount}"
        ),
        pl.concat_str(pl.lit("INV-"), "invoice").alias("{invoice}"),
        pl.concat_str(pl.lit("E"), "code").alias("{code}"),
        pl.concat_str("hour", pl.lit(":"), pl.col("minute").str.zfill(2)).alias("{clock}"),
    )
    fills = {column.name: column for column in filled.iter_columns()}
    fills["{product}"] = _named(words.PRODUCTS, product).str.to_titlecase()
    fills["{tool}"] = _TOOLS.draw(np.zeros(rows, dtype=np.int64), rng)
    return fills


def _filled(texts: pl.Series, fills: Mapping[str, pl.Series]) -> pl.Series:
    """Put each row's own values into the places of its text; a place occurs once in a text."""
    filled = pl.col("text")
    for place in fills:
        filled = filled.str.replace(place, pl.col(place), literal=True)
    return pl.DataFrame({"text": texts, **fills}).select(filled).to_series()


def _named(names: Sequence[str], codes: NDArray[np.int64]) -> pl.Series:
    return pl.Series(names, dtype=pl.String).gather(codes)
