"""Gold labels of the test set that look wrong are put before experts, who may correct them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from labelpress.asks import recheck_count
from labelpress.classes import Classes
from labelpress.exchange.showing import show_asks
from labelpress.manifest import read_answers
from labelpress.stages.answers import freeze_answers
from labelpress.stages.ask import put_asks
from labelpress.stages.plan import plan_run
from labelpress.stages.recheck import (
    choose_rechecks,
    count_corrections,
    rank_test_labels,
    read_test_suspects,
    write_test_suspects,
)
from labelpress.stages.train import train_or_say_why
from labelpress.tables.schemas import ANSWERS
from labelpress.test_set import TEST_PART, read_corrections, read_test_set

CLASSES = Classes(("ham", "spam"))
NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
WRONG = "t03"


@pytest.fixture(name="printed")
def _printed(project, cluster):
    """One printed version of a project without oracle, whose test set has one wrong gold label."""
    rows = [
        (f"t{n:02}", f"subscribe {n}" if n % 2 else f"nice song {n}", 1, "spam" if n % 2 else "ham")
        for n in range(20)
    ]
    rows = [(*row[:3], "ham") if row[0] == WRONG else row for row in rows]
    project.write("../test.parquet", rows)
    project.configure('oracle = "gold"', "reserved_share = 0.0\ntarget_accuracy = 1.0")
    project.configure("budget = 6", "budget = 40")
    evaluation = '[evaluation]\ntest = "test.parquet"\n'
    project.configure("[end_model.features]", evaluation + "[end_model.features]")
    project.print(cluster, "2026-03-02")
    return project


def suspect(project):
    """Let the version's end model contradict the wrong gold label; return the test set."""
    run = project.open("2026-03-09")
    test = read_test_set(run.project, run.classes)
    truth = [1 if n % 2 else 0 for n in range(20)]
    probabilities = np.full((20, 2), 0.02)
    probabilities[np.arange(20), truth] = 0.98
    write_test_suspects(run.store.files, run.base.run, rank_test_labels(test, probabilities))
    return test


def answer(project, asks, label):
    """Answer some asks with a label."""
    given = asks.select("ask_id", "row_id", "row_hash").with_columns(
        label=pl.lit(label), annotator=pl.lit("kim"), seconds=pl.lit(9.0), tool=pl.lit("csv")
    )
    rest = {"seconds_source": "declared", "rationale": None, "simulated": False}
    given = given.with_columns(**{name: pl.lit(value) for name, value in rest.items()})
    given = given.with_columns(answered=pl.lit(NOW), imported=pl.lit(NOW))
    project.store.answers.append(given.select(ANSWERS.names()).cast(ANSWERS), batch="import")


def rechecks_of(project, cluster):
    """Ask for the second period; return what is asked of the test set."""
    run = project.open("2026-03-09")
    put_asks(run, run.base_manifest, cluster, batch="v2", label_version=1)
    return project.store.asks.read().filter(pl.col("part").str.starts_with(TEST_PART))


def test_a_gold_label_that_the_end_model_contradicts_is_asked_blind(printed, cluster):
    """Beside as many that it does not contradict; nothing that is shown tells the gold."""
    suspect(printed)

    again = rechecks_of(printed, cluster)

    assert set(again["stratum"]) == {"recheck"}
    assert WRONG in set(again["row_id"])
    assert again.height == 2
    shown = show_asks(printed.read(), again)
    assert shown.gone == 0
    assert "gold" not in shown.columns.columns
    assert shown.columns["text"].str.contains("subscribe 3").any()


def test_a_correction_gives_the_test_set_another_digest(printed, cluster):
    """The answer replaces the gold of the row; an answer for a row that has changed does not."""
    before = suspect(printed)
    again = rechecks_of(printed, cluster)
    answer(printed, again.filter(pl.col("row_id") == WRONG), "spam")
    run = printed.open("2026-03-16")
    told = read_corrections(run.store, run.store.answers.version(), run.classes)

    after = read_test_set(run.project, run.classes, told)
    other = read_test_set(run.project, run.classes, told.with_columns(row_hash=pl.lit("0")))

    assert told["row_id"].to_list() == [WRONG]
    assert (after.corrected, after.codes[3]) == (1, 1)
    assert after.digest != before.digest
    assert (other.corrected, other.digest) == (0, before.digest)


def test_an_answer_for_the_test_set_teaches_nothing(printed, cluster):
    """It judges the end models; the label model and the end model never see it."""
    suspect(printed)
    answer(printed, rechecks_of(printed, cluster), "spam")

    plan = printed.plan(cluster, "2026-03-16")

    assert plan.answers.height == 0
    assert plan.stale_answers == 0


def test_a_row_is_looked_at_again_once(printed, cluster):
    """What has been asked, answered or not, is not among the next suspects."""
    test = suspect(printed)
    rechecks_of(printed, cluster)
    run = printed.open("2026-03-16")

    count = recheck_count(run.project.settings.experts)
    more = choose_rechecks(run, run.base_manifest, cluster, run.store.asks.read(), count, test)

    assert more is None or WRONG not in set(more["row_id"])


def test_an_oracle_is_not_asked_about_the_test_set(printed, cluster):
    """It would repeat the gold."""
    suspect(printed)
    printed.configure("reserved_share = 0.0", 'reserved_share = 0.0\noracle = "gold"')

    assert rechecks_of(printed, cluster).height == 0


def test_a_run_without_a_test_set_keeps_no_suspects(printed):
    """Nothing is read where nothing was written."""
    run = printed.open("2026-03-09")

    assert read_test_suspects(run.store.files, run.base.run) is None


def test_training_ranks_the_gold_labels_and_judges_by_the_corrected_ones(printed, cluster):
    """The end model of a version leaves its suspects; the next is judged under another digest."""
    run = printed.open("2026-03-09")
    answers = read_answers(run.store.files, run.base.run)
    first = train_or_say_why(run, run.base_manifest, answers, cluster)
    left = read_test_suspects(run.store.files, run.base.run)
    answer(printed, rechecks_of(printed, cluster), "spam")

    second = train_or_say_why(run, run.base_manifest, answers, cluster)

    assert left is not None
    assert left["row_id"].n_unique() == 20
    assert first.corrected == 0
    assert second.corrected >= 1
    assert second.evaluation.digest != first.evaluation.digest
    assert f"corrected {second.corrected} gold labels" in " ".join(second.log)


def test_two_rows_are_not_halved_to_none(printed, cluster):
    """Where answers and gold labels are suspected and one pair may be asked, it is asked."""
    for part in ("day-1.parquet", "day-2.parquet", "day-3.parquet"):
        printed.remove(part)
    wrong = {"r04", "r21"}
    rows = []
    for n in range(40):
        name, spam = f"r{n:02}", (n % 2 == 0) != (f"r{n:02}" in wrong)
        text = "please subscribe now" if n % 2 == 0 else "nice song"
        rows.append((name, text, 1 if n % 2 == 0 else 5, "spam" if spam else "ham"))
    printed.write("all.parquet", rows)
    printed.configure("reserved_share = 0.0", 'reserved_share = 0.0\noracle = "gold"')
    run = printed.open("2026-03-02", "reprint")
    plan = plan_run(run, freeze_answers(run, cluster), cluster)
    put_asks(run, plan.manifest, cluster, batch="all", label_version=None)
    second = printed.print(cluster, "2026-03-09", publish=False)
    printed.configure('\noracle = "gold"', "")
    run = printed.open("2026-03-09")
    test, manifest = suspect(printed), second.gated.manifest

    asks = run.store.asks.read()
    both, alone, least = (
        choose_rechecks(run, manifest, cluster, asks, count, test, worth)
        for count, worth in ((4, 1.0), (2, 1.0), (8, 0.01))
    )

    assert both["part"].str.starts_with(TEST_PART).sum() == 2
    assert both.height == 4
    assert alone.height == 2
    of_test = least["part"].str.starts_with(TEST_PART)
    assert (~of_test).sum() == 2  # a pair of answers, however little that has corrected
    assert of_test.sum() == 2  # one gold label is suspected, so no more than a pair


def test_corrections_are_counted_once_per_row():
    """Of three rows looked at again one was corrected; the fourth recheck is not answered."""
    asks = pl.DataFrame(
        {
            "ask_id": [f"{kind}{n}" for kind in "fr" for n in range(4)],
            "row_id": [f"row{n}" for _ in "fr" for n in range(4)],
            "row_hash": ["0"] * 8,
            "stratum": ["audit"] * 4 + ["recheck"] * 4,
        }
    )
    said = {"f0": "spam", "f1": "spam", "f2": "ham", "f3": "ham", "r0": "spam", "r1": "ham"}
    given = [*said.items(), ("r2", "ham"), ("r3", None)]
    answers = pl.DataFrame(
        [{"ask_id": ask, "label": label, "annotator": "ada"} for ask, label in given]
    ).with_columns(answered=NOW, imported=NOW, simulated=pl.lit(value=False))

    assert count_corrections(asks, answers, CLASSES) == (3, 1)
    assert count_corrections(asks.head(4), answers, CLASSES) == (0, 0)
    assert count_corrections(asks, answers.clear(), CLASSES) == (0, 0)
