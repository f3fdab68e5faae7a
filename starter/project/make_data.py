"""
Write 60 invented tickets for each of some weeks, so that the project runs at once.

    python project/make_data.py        # three weeks
    python project/make_data.py 4      # a fourth

Delete this file, and `oracle` in project.toml, when your own data is there.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import polars as pl

SUBJECTS = {
    "Invoice {n} is wrong": "billing",
    "Refund for order {n}": "billing",
    "I was charged twice, order {n}": "billing",
    "Site down since {n}:00": "outage",
    "502 error on page {n}": "outage",
    "Nothing loads, case {n}": "outage",
    "How do I export report {n}": "other",
    "How to add user {n}": "other",
    "Thanks for ticket {n}": "other",
}


def write_week(folder: Path, week: int) -> None:
    """Write one week's file; the same week is the same file."""
    draw = random.Random(week)  # noqa: S311  invented data, not a secret
    rows = []
    for n in range(60):
        subject = draw.choice(list(SUBJECTS))
        rows.append(
            {
                "ticket": f"w{week}-{n:03}",
                "subject": subject.format(n=n),
                "attachments": draw.choice([0, 0, 0, 1, 2]),
                "gold": SUBJECTS[subject],
            }
        )
    folder.mkdir(exist_ok=True)
    pl.DataFrame(rows).write_parquet(folder / f"week-{week}.parquet")


if __name__ == "__main__":
    for number in map(int, sys.argv[1:] or ("1", "2", "3")):
        write_week(Path(__file__).parent / "data", number)
