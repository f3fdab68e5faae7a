"""What the ask stage puts before experts in a whole printing."""

from __future__ import annotations

import polars as pl

from labelpress.decisions import Decision, decide
from labelpress.predictions import PredictionFile, Predictions, write_predictions
from labelpress.stages.answers import freeze_answers
from labelpress.stages.ask import put_asks
from labelpress.stages.plan import plan_run
from labelpress.stages.record import keep_record


def test_wrong_answers_are_asked_again_and_booked_as_rework(project, cluster):
    """Blind, beside as many unsuspected ones; what corrects them is one answer more."""
    texts = ("please subscribe now", "nice song", "my channel is better", "oh so good")
    for part in ("day-1.parquet", "day-2.parquet", "day-3.parquet"):
        project.remove(part)
    wrong = {"r04", "r21", "r33"}
    rows = []
    for n in range(60):
        name, spam = f"r{n:02}", (n % 2 == 0) != (f"r{n:02}" in wrong)
        rows.append((name, texts[n % 4], 1 if n % 2 == 0 else 5, "spam" if spam else "ham"))
    project.write("all.parquet", rows)
    project.configure("budget = 6", "budget = 60\nreserved_share = 0.2\ntarget_accuracy = 1.0")
    run = project.open("2026-03-02")
    planned = plan_run(run, freeze_answers(run, cluster), cluster)
    put_asks(run, planned.manifest, cluster, batch="bootstrap", label_version=None)

    project.print(cluster, "2026-03-02")

    again = project.store.asks.read().filter(pl.col("stratum") == "recheck")
    assert again.height >= 2
    assert again["reason"].unique().to_list() == ["to check the quality of the labels"]
    suspected = set(again["row_id"].to_list()) & wrong
    assert len(suspected) == again.height // 2
    second = project.print(cluster, "2026-03-09")
    keep_record(
        second.run,
        second.gated.manifest,
        version=second.version,
        held=(),
        trained=None,
        promotion=None,
        asks=0,
    )
    ledger = project.store.ledger.read().filter(pl.col("what") == "rework")
    assert ledger["quantity"].to_list() == [again.height * 20 / 60]
    assert second.plan.answers.height == 60


def test_near_identical_rows_are_asked_once(project, cluster):
    """Of rows that differ in a number and in case only, one is asked, whatever the period."""
    project.write("day-4.parquet", [(f"d{n}", f"Room {n} was so LOUD", 2, "ham") for n in range(5)])
    project.write(
        "day-5.parquet", [(f"e{n}", f"room {n}: was so loud!", 2, "ham") for n in range(5)]
    )
    words = [
        "bar",
        "bay",
        "dam",
        "den",
        "fen",
        "inn",
        "keep",
        "lake",
        "moor",
        "park",
        "quay",
        "spa",
    ]
    project.write(
        "day-6.parquet", [(word, f"near the {word} at night", 2, "ham") for word in words]
    )
    project.configure(
        "budget = 6",
        "budget = 10\nreserved_share = 0.0\ntarget_accuracy = 1.0\n"
        "split = { uncovered = 0.5, uncertain = 0.5 }",
    )
    project.print(cluster, "2026-03-02")

    asks = project.store.asks.read().filter(pl.col("stratum") == "uncovered")

    assert asks.height
    alike = asks.filter(pl.col("row_id").str.contains("^[de][0-9]"))
    assert alike.height == 1
    project.configure("budget = 10", "budget = 3")
    project.print(cluster, "2026-03-09")
    later = project.store.asks.read().filter(pl.col("stratum") == "uncovered")
    assert later.filter(pl.col("row_id").str.contains("^[de][0-9]")).height == 1


def test_asks_of_rows_that_changed_await_nothing(project, cluster):
    """They are superseded, and their part of the budget goes to other rows."""
    project.configure('oracle = "gold"', "target_accuracy = 1.0")
    first = project.print(cluster, "2026-03-02")
    put = project.store.asks.read()
    assert put.height == 6
    changed = put["part"][0]
    before = project.frame(changed).rows()
    rows = [(name, f"{text}, again", *rest) for name, text, *rest in before]
    gone = put.filter(pl.col("part") == changed).height
    project.write(changed, rows)
    run = project.open("2026-03-09")
    planned = plan_run(run, freeze_answers(run, cluster), cluster)

    asked = put_asks(
        run, planned.manifest, cluster, batch="next", label_version=first.version.version
    )

    assert asked.superseded == gone
    assert asked.asks.height == gone


def test_shared_asks_share_the_budget(project, cluster):
    """Six answers of two people each are three asks."""
    project.configure('oracle = "gold"', "target_accuracy = 1.0\nannotators = 2\nshared = 1.0")
    project.print(cluster, "2026-03-02")

    assert project.store.asks.read().height == 3


def test_rows_that_the_champion_disputes_are_asked(project, cluster):
    """What it says of rows that it has scored is read from beside the label version."""
    project.configure("budget = 6", "budget = 2\nsplit = { uncertain = 1.0 }\nreserved_share = 0.0")
    first = project.print(cluster, "2026-03-02")
    version = first.version.version
    served = Decision("champion", "rule", "better", label_version=version, model="7")
    decide(project.store.decisions, served, batch="m7")
    said, files = first.labels.select("row_id", "label"), project.store.files
    other = pl.when(pl.col("label") == "ham").then(pl.lit("spam")).otherwise(pl.lit("ham"))
    disputed = pl.col("row_id") == "c2"
    said = said.with_columns(
        label=pl.when(disputed).then(other).otherwise("label"), confidence=pl.lit(0.9)
    )
    scored = []
    for entry in first.gated.manifest.entries:
        path = f"predictions/model-7/{entry.part}"
        files.write_parquet(path, said)
        scored.append(PredictionFile(entry.part, path, entry.rows))
    write_predictions(files, Predictions(version, "7", tuple(scored)))
    project.configure("budget = 2", "budget = 4")

    project.print(cluster, "2026-03-09")

    asks = project.store.asks.read().filter(pl.col("reason").str.contains("champion"))
    assert asks["row_id"].to_list() == ["c2"]


def test_where_mistakes_are_rare_some_asks_go_to_unsure_rows(project, cluster):
    """
    The labels are right but where two heuristics disagree, which is on one row in eight.

    A draw at random finds few mistakes then; before the first answer nobody knows that.
    """
    project.heuristics(
        """
        from labelpress import keywords

        begging = keywords(["subscribe", "channel"], label="spam", column="text")
        musical = keywords(["song"], label="ham", column="text")
        """
    )
    for part in ("day-1.parquet", "day-2.parquet", "day-3.parquet"):
        project.remove(part)
    texts = ("please subscribe", "nice song", "my channel", "so good a song")
    rows = []
    for n in range(400):
        own = "".join("abcdefghij"[int(digit)] for digit in f"{n:03}")
        if n % 8 == 3:
            gold = "spam" if n % 16 == 3 else "ham"
            rows.append((f"r{n:03}", f"subscribe to this song {own}", 3, gold))
        else:
            gold, stars = ("spam", 1) if n % 2 == 0 else ("ham", 5)
            rows.append((f"r{n:03}", f"{texts[n % 4]} {own}", stars, gold))
    project.write("all.parquet", rows)
    project.configure("budget = 6", "budget = 60\nreserved_share = 0.0\ntarget_accuracy = 1.0")
    project.configure(
        "[end_model.features]",
        "[gate]\nmax_churn = 1.0\nmax_balance_gap = 1.0\n[end_model.features]",
    )
    for day in ("02", "09"):
        project.print(cluster, f"2026-03-{day}")

    asks = project.store.asks.read()
    by_period = {
        str(period): dict(one.group_by("stratum").len().iter_rows())
        for (period,), one in asks.group_by("period")
    }
    assert by_period["2026-03-02"] == {"audit": 60}
    assert by_period["2026-03-09"]["uncertain"] >= 6
    unsure = asks.filter(pl.col("stratum") == "uncertain")["row_id"]
    assert ((unsure.str.slice(1).cast(pl.Int64) % 8) == 3).mean() > 2 / 8
