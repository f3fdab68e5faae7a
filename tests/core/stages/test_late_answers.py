"""Answers that come late, twice and in part: in the end every figure is as if they came cleanly."""

from __future__ import annotations

import polars as pl
import pytest

from labelpress.exchange.lines import read_lines
from labelpress.exchange.taking import take_answers
from labelpress.row_hash import hash_rows, hash_texts
from labelpress.stages.answers import freeze_answers
from labelpress.stages.ask import put_asks
from labelpress.stages.plan import plan_run
from labelpress.stages.record import keep_record
from labelpress.store import open_project_store

PERIODS = ("2026-03-02", "2026-03-09", "2026-03-16")
ROWS = 36


class World:
    """A project whose rows are all asked before the first of three printings."""

    def __init__(self, project, cluster):
        self.project, self.cluster = project, cluster
        texts = ("subscribe to my channel", "nice song", "what a voice she has", "BUY NOW")
        rows = [
            (f"r{n:02}", f"{texts[n % 4]} {n}", 1 + n % 5, "spam" if n % 4 in (0, 3) else "ham")
            for n in range(ROWS)
        ]
        for part in ("day-1.parquet", "day-2.parquet", "day-3.parquet"):
            project.remove(part)
        project.write("all.parquet", rows)
        project.configure(
            'budget = 6\noracle = "gold"', f"budget = {ROWS}\nreserved_share = 0.5\n[exchange]"
        )
        project.configure(
            "[end_model.features]",
            '[gate]\nmax_churn = 1.0\n[label_model]\nrefit = "always"\n[end_model.features]',
        )
        run = project.open(PERIODS[0])
        planned = plan_run(run, freeze_answers(run, cluster), cluster)
        put_asks(run, planned.manifest, cluster, batch="bootstrap", label_version=None)
        self.gold = dict(project.frame("all.parquet").select("id", "gold").iter_rows())
        self.asks = dict(project.store.asks.read().select("row_id", "ask_id").iter_rows())

    def bring(self, rows, cut=0):
        """Import a file with the answers to some rows, the last `cut` bytes of it missing."""
        lines = [
            f"{self.asks[row]},{self.gold[row]},{'ada' if int(row[1:]) % 2 else 'ben'},9.5,,\n"
            for row in rows
        ]
        text = "ask_id,label,annotator,seconds,rationale,answered\n" + "".join(lines)
        data = text.encode()[: len(text) - cut]
        take_answers(open_project_store(self.project.read()), read_lines("x.csv", data))

    def print(self, period):
        """Print one period and book what it cost."""
        printed = self.project.print(self.cluster, period)
        keep_record(
            printed.run,
            printed.gated.manifest,
            version=printed.version,
            held=(),
            trained=None,
            promotion=None,
            asks=0,
        )
        return printed

    def figures(self, printed):
        """Return what a person would compare: base rate, interval, labels, experts' costs."""
        manifest = printed.gated.manifest
        ledger = self.project.store.ledger.read().filter(
            pl.col("what").is_in(["expert minutes", "answers"])
        )
        spent = ledger.group_by("what").agg(pl.col("quantity", "usd").sum().round(9)).sort("what")
        columns = ("row_id", "label", "origin", "confidence")
        return {
            "base rate": manifest.base_rate,
            "certificate": manifest.certificate,
            "labels": printed.labels.select(columns).rows(),
            "spent": spent.rows(),
        }


@pytest.fixture(name="world")
def _world(write_project, tmp_path, cluster):
    return lambda name: World(write_project(tmp_path / name), cluster)


def test_three_periods_of_late_double_and_partial_answers_end_as_clean_ones(world):
    """Base rate, interval, labels and the experts' costs."""
    clean, messy = world("clean"), world("messy")
    rows = sorted(clean.gold)
    assert clean.asks == messy.asks

    clean.bring(rows)
    for period in PERIODS:
        expected = clean.print(period)

    messy.bring(rows[:9], cut=7)  # in part: the file breaks off in the ninth line
    messy.bring(rows[:4])  # twice
    assert messy.figures(messy.print(PERIODS[0])) != clean.figures(expected)
    messy.bring(rows[20:5:-1])  # late, overlapping, in another order
    messy.print(PERIODS[1])
    messy.bring(rows)  # everything once more, with the rest
    messy.bring(rows)
    found = messy.print(PERIODS[2])

    assert messy.figures(found) == clean.figures(expected)
    assert messy.figures(found)["spent"][0][:2] == ("answers", float(ROWS))
    # Of the 18 reserved rows, those that have a label.
    assert clean.figures(expected)["certificate"]["audits"] == 14


def test_a_changed_row_keeps_the_answer_for_what_it_is_now(asked, cluster):
    """Also where an answer about what it was comes in later: that one alone is left out."""
    old = (
        asked.store.asks.read()
        .filter(row_id="a1")
        .with_columns(
            ask_id=pl.lit("ask-old"), stratum=pl.lit("audit"), partition=pl.lit("one that was")
        )
    )
    rows = asked.frame("day-1.parquet").with_columns(
        text=pl.when(pl.col("id") == "a1").then(pl.lit("a channel of mine")).otherwise("text")
    )
    asked.write("day-1.parquet", rows, age=-100)
    hashes = hash_texts(pl.Series(hash_rows(rows.head(1), ["id", "stars", "text"])))
    new = old.with_columns(ask_id=pl.lit("ask-new"), row_hash=pl.Series(hashes))
    store = open_project_store(asked.read())
    store.asks.append(pl.concat([old, new]), batch="v2")

    for line in ("ask-new,ham,ada", "ask-old,spam,ben"):
        data = f"ask_id,label,annotator\n{line}\n".encode()
        assert take_answers(store, read_lines("x.csv", data)).answers == 1
    planned = asked.plan(cluster)

    found = planned.answers.filter(row_id="a1")
    assert found.select("row_hash", "code").rows() == [(hashes[0], 0)]
