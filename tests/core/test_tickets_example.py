"""The tickets example: the same seed gives the same tickets, and what is planted is there."""

from __future__ import annotations

import shutil
import tomllib
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from examples.tickets import generate, weeks, words
from labelpress.classes import Classes
from labelpress.heuristics import load_heuristics
from labelpress.heuristics.casting import cast
from labelpress.project import read_project

EXAMPLE = Path(__file__).parents[2] / "examples" / "tickets"
STALE_WEEK = generate.RELEASE_WEEK + generate.ROLLOUT_WEEKS


def draw(week: int, rows: int = 8_000) -> pl.DataFrame:
    """Draw some tickets of a week."""
    return generate.draw_tickets(week, rows, np.random.default_rng([5, week]), first_id=1)


@pytest.fixture(name="first", scope="module")
def _first() -> pl.DataFrame:
    """Tickets of week 0."""
    return draw(0)


@pytest.fixture(name="late", scope="module")
def _late() -> pl.DataFrame:
    """Tickets of a week in which every drift has come to its end."""
    return draw(11)


def votes_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the class that each heuristic of the example votes for, null where it abstains."""
    project = read_project(str(EXAMPLE))
    classes = Classes(project.settings.classes.names)
    seen = frame.drop("gold", *weeks.HIDDEN)
    votes = cast(seen, load_heuristics(project.bundle, classes), classes)
    names = pl.Series(classes.names)
    codes = pl.DataFrame(dict(zip(votes.heuristics, votes.matrix.T, strict=True)))
    return codes.select(
        names.gather(codes[name].cast(pl.Int64).replace(-1, None)).alias(name)
        for name in codes.columns
    )


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    """A drop is written again unchanged; another seed gives another one."""
    for place, seed in (("a", 0), ("b", 0), ("c", 1)):
        weeks.write_week(tmp_path / place, 3, 250, seed=seed, rows_per_file=100)

    def content(place: str) -> dict[str, bytes]:
        folder = tmp_path / place
        files = sorted(folder.rglob("*.parquet"))
        return {str(file.relative_to(folder)): file.read_bytes() for file in files}

    assert list(content("a")) == [
        f"{kind}/2026-01-26-{number:03d}.parquet"
        for kind in ("data", "gold")
        for number in range(3)
    ]
    assert content("a") == content("b")
    assert content("a") != content("c")


def test_ids_are_unique_and_the_test_set_shares_none(tmp_path):
    """Over weeks, files and the test set."""
    weeks.write_week(tmp_path, 0, 250, rows_per_file=100)
    weeks.write_week(tmp_path, 1, 250, rows_per_file=100)
    test = pl.read_parquet(weeks.write_test(tmp_path, 120))

    ids = [*pl.read_parquet(tmp_path / "data")["ticket_id"], *test["ticket_id"]]
    assert len(ids) == len(set(ids)) == 620


def test_what_is_hidden_is_not_in_the_source(tmp_path):
    """The source has the expert's word only; what is true and planted lies beside it."""
    [file] = weeks.write_week(tmp_path, 0, 100)
    source = pl.read_parquet(file)
    hidden = pl.read_parquet(tmp_path / "gold" / file.name)

    assert not set(weeks.HIDDEN) & set(source.columns)
    assert hidden.columns == ["ticket_id", *weeks.HIDDEN]
    assert hidden["ticket_id"].equals(source["ticket_id"])


def test_drops_arrive_week_by_week(tmp_path):
    """Three drops and the test set are there before the first period."""
    written = weeks.write_until(tmp_path, weeks.PERIODS[0], 50)

    assert weeks.PERIODS[0] == date(2026, 1, 19)
    assert [path.name for path in written] == [
        "test.parquet",
        "2026-01-05-000.parquet",
        "2026-01-12-000.parquet",
        "2026-01-19-000.parquet",
    ]


def test_an_unknown_week_is_refused(tmp_path):
    """Week 12 would be the thirteenth drop."""
    with pytest.raises(ValueError, match="the drops are 0 to 11"):
        weeks.write_week(tmp_path, 12)


def test_texts_are_whole(first, late):
    """No place is left unfilled, and a body has some 130 characters."""
    for frame in (first, late):
        assert not frame["body"].str.contains(r"[{}]").any()
        assert not frame["subject"].str.contains(r"[{}]").any()
        assert frame["body"].str.len_chars().mean() == pytest.approx(130, abs=8)


def test_classes_drift_as_declared(first, late):
    """Shares of the truth are those of the base rate, which moves from howto to outage."""
    assert generate.base_rate(0) == pytest.approx([0.30, 0.20, 0.30, 0.05, 0.15])
    assert generate.base_rate(11) == pytest.approx([0.30, 0.30, 0.20, 0.05, 0.15])
    for week, frame in ((0, first), (11, late)):
        shares = [(frame["truth"] == name).mean() for name in words.CLASSES]
        assert shares == pytest.approx(generate.base_rate(week), abs=0.02)


def test_a_new_product_is_launched():
    """A tenth of the tickets is about it from week 4 on, none before."""
    assert (draw(3)["product"] == "relay").sum() == 0
    assert (draw(4)["product"] == "relay").mean() == pytest.approx(0.10, abs=0.015)


def test_planted_answers_are_wrong(first):
    """On 3 % of the rows the oracle's word is not the truth, and only there."""
    assert first["wrong_answer"].mean() == pytest.approx(0.03, abs=0.006)
    assert first["wrong_answer"].equals(first["gold"] != first["truth"])


def test_dialect_is_planted_in_one_region_only(first):
    """A third of the islands' tickets opens in it."""
    spoken = first.group_by("region").agg(pl.col("dialect").mean())

    shares = dict(spoken.iter_rows())
    assert shares.pop("islands") == pytest.approx(generate.DIALECT_SHARE, abs=0.05)
    assert set(shares.values()) == {0.0}


def test_every_heuristic_fires_and_says_who_and_why(first):
    """40 heuristics of all the kinds, each with votes, an owner, a reason and a belief."""
    project = read_project(str(EXAMPLE))
    heuristics = load_heuristics(project.bundle, Classes(project.settings.classes.names))
    votes = votes_of(first)

    assert len(heuristics) == 40
    assert {h.kind for h in heuristics} == {
        *("expression", "keywords", "regex", "lookup", "column", "function")
    }
    assert all(h.owner and h.why and h.definition.precision for h in heuristics)
    assert [name for name in votes.columns if votes[name].is_null().all()] == []


def test_heuristics_alone_are_right_where_they_are_realistic(first):
    """A plurality of votes is right on 85 to 92 % of the rows that it covers."""
    votes = votes_of(first)
    counts = votes.select(
        pl.sum_horizontal((pl.col(votes.columns) == name).fill_null(value=False)).alias(name)
        for name in words.CLASSES
    ).to_numpy()
    covered = counts.sum(axis=1) > 0
    right = np.array(words.CLASSES)[counts.argmax(axis=1)] == first["truth"].to_numpy()

    assert 0.85 < right[covered].mean() < 0.92
    assert 0.85 < covered.mean() < 0.97


def test_one_heuristic_goes_stale(first, late):
    """The codes E5xx move from server errors to declined cards; no other heuristic falls so far."""
    assert [generate.rolled_out(week) for week in (4, 5, STALE_WEEK - 1)] == [0.0, 0.2375, 0.95]

    def precision(frame: pl.DataFrame) -> dict[str, float]:
        votes = votes_of(frame)
        return {
            name: float((votes[name] == frame["truth"]).drop_nulls().mean())  # type: ignore[arg-type]
            for name in votes.columns
        }

    before, after = precision(first), precision(late)
    falls = {name: before[name] - after[name] for name in before}
    stale = falls.pop("server_code")
    assert before["server_code"] > 0.8
    assert after["server_code"] < 0.2
    assert max(falls.values()) < 0.3 < stale
    assert late["moved_code"].sum() > 0
    assert first["moved_code"].sum() == 0


def test_one_heuristic_alone_causes_the_biased_slice(first):
    """Without rough_words the islands get no more votes for abuse than other regions."""
    votes = votes_of(first).select(pl.all() == "abuse").fill_null(value=False)

    def gap(names: list[str]) -> float:
        harmless = first.select("region", voted=votes.select(pl.any_horizontal(names)).to_series())
        harmless = harmless.filter(first["truth"] != "abuse")
        there = harmless.filter(pl.col("region") == "islands")["voted"].mean()
        elsewhere = harmless.filter(pl.col("region") != "islands")["voted"].mean()
        return there - elsewhere  # type: ignore[operator, no-any-return]

    assert gap(votes.columns) > 0.25
    assert abs(gap([name for name in votes.columns if name != "rough_words"])) < 0.02


def test_the_model_sees_no_gold():
    """Features are columns of the source, and the oracle's is not among them."""
    settings = tomllib.loads((EXAMPLE / "project.toml").read_text())
    features = settings["end_model"]["features"]

    named = {name for columns in features.values() for name in columns}
    assert named < set(draw(0, 1).drop("gold", *weeks.HIDDEN).columns)
    assert settings["experts"]["oracle"] == "gold"


def test_two_periods_print_on_threads(project, cluster, tmp_path):
    """A few hundred tickets a week: printed, asked, answered by the oracle, printed again."""
    folder = tmp_path / "tickets"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data", "gold", "store"))
    tickets = type(project)(folder)
    # no trial fits in the shadow, which take longest
    tickets.configure("[gate]", '[label_model]\nrefit = "always"\n\n[gate]')
    weeks.write_until(folder, weeks.PERIODS[0], 200)
    first = tickets.print(cluster, weeks.PERIODS[0].isoformat())
    weeks.write_week(folder, 3, 200)
    second = tickets.print(cluster, weeks.PERIODS[1].isoformat())

    assert [first.gated.held, second.gated.held] == [(), ()]
    assert second.plan.answers.height == 120
    assert [v.period for v in tickets.published()] == ["2026-01-19", "2026-01-26"]
    truth = pl.concat(
        pl.read_parquet(file) for file in sorted((folder / "gold").glob("2026-*.parquet"))
    ).rename({"ticket_id": "row_id"})
    labels = second.labels.join(truth, on="row_id").filter(pl.col("label").is_not_null())
    assert labels.height > 700
    assert (labels["label"] == labels["truth"]).mean() > 0.85
