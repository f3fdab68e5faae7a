"""
Let the weeks of the tickets example fall: write synthetic tickets, one drop per week.

Each drop is one or more Parquet files `data/<Monday>-<number>.parquet`; beside it
`gold/<Monday>-<number>.parquet` keeps what is true and what is planted, which only tests and
benchmarks read. `gold/test.parquet` is the test set. Every file is drawn from a random stream of
its own: the same seed, week and number give the same bytes, and one file is in memory at a time.

    python -m examples.tickets.weeks                   writes twelve weeks of 5,000 tickets
    python -m examples.tickets.weeks --week 0 --rows 16000000   writes one large drop
"""

from __future__ import annotations

import argparse
import os
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from examples.tickets.generate import START, WRONG_SHARE, draw_tickets

ROWS_PER_WEEK, ROWS_PER_FILE, TEST_ROWS = 5_000, 250_000, 2_000
WEEKS: Final = tuple(START + timedelta(weeks=week) for week in range(12))
"""The Monday on which each drop arrives."""
PERIODS: Final = WEEKS[2:]
"""The periods of the example: three drops are there before the first, one more before each next."""
HIDDEN: Final = ("truth", "wrong_answer", "dialect", "moved_code")
"""What the source does not have."""
_IDS_PER_WEEK: Final = 1_000_000_000
_TEST_WEEK: Final = 900
"""The test set has ids and a random stream as if of a week far away."""


def write_week(
    folder: str | Path,
    week: int,
    rows: int = ROWS_PER_WEEK,
    *,
    seed: int = 0,
    rows_per_file: int = ROWS_PER_FILE,
    wrong: float = WRONG_SHARE,
) -> list[Path]:
    """
    Write the drop of a week (0 to 11) to the project's folder; return the source files.

    `wrong` is the share of tickets on which the experts, and so the oracle, will err. Writing it
    again changes nothing. Each file appears whole: it is renamed into place.
    """
    if week not in range(len(WEEKS)):
        raise ValueError(f"week {week} does not exist; the drops are 0 to {len(WEEKS) - 1}")
    written = []
    for number, start in enumerate(range(0, rows, rows_per_file)):
        drawn = draw_tickets(
            week,
            min(rows_per_file, rows - start),
            np.random.default_rng([seed, week, number]),
            first_id=week * _IDS_PER_WEEK + start,
            wrong=wrong,
        )
        name = f"{WEEKS[week]}-{number:03d}.parquet"
        _write(drawn.select("ticket_id", *HIDDEN), Path(folder) / "gold" / name)
        written.append(_write(drawn.drop(HIDDEN), Path(folder) / "data" / name))
    return written


def write_test(folder: str | Path, rows: int = TEST_ROWS, *, seed: int = 0) -> Path:
    """Write the test set, drawn from all weeks alike; its `gold` is the truth."""
    parts = []
    for week, share in enumerate(np.array_split(np.arange(rows), len(WEEKS))):
        rng = np.random.default_rng([seed, _TEST_WEEK, week])
        first = _TEST_WEEK * _IDS_PER_WEEK + int(share[0]) if len(share) else 0
        parts.append(draw_tickets(week, len(share), rng, first_id=first, wrong=0.0))
    return _write(pl.concat(parts).drop(HIDDEN), Path(folder) / "gold" / "test.parquet")


def write_until(
    folder: str | Path, period: date, rows: int = ROWS_PER_WEEK, *, seed: int = 0
) -> list[Path]:
    """Write the test set and every drop that has arrived by the Monday `period`."""
    written = [write_test(folder, seed=seed)]
    for week, monday in enumerate(WEEKS):
        if monday <= period:
            written += write_week(folder, week, rows, seed=seed)
    return written


def _write(frame: pl.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    frame.write_parquet(unfinished, compression="zstd", compression_level=1)
    unfinished.replace(path)
    return path


def main() -> None:
    """Write one week, or all of them."""
    parser = argparse.ArgumentParser(description="Write synthetic support tickets.")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent)
    parser.add_argument("--week", type=int, help="0 to 11; without it, all weeks and the test set")
    parser.add_argument("--rows", type=int, default=ROWS_PER_WEEK, help="tickets per week")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.week is None:
        written = write_until(options.folder, WEEKS[-1], options.rows, seed=options.seed)
    else:
        written = write_week(options.folder, options.week, options.rows, seed=options.seed)
    for path in written:
        print(path)


if __name__ == "__main__":
    main()
