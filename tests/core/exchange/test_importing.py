"""Asks out to a file and answers back in, through the command line: nothing lost, nothing twice."""

from __future__ import annotations

import csv
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from typer.testing import CliRunner

from labelpress.cli import app
from labelpress.exchange.lines import gather, read_lines
from labelpress.exchange.taking import take_answers
from labelpress.row_hash import hash_rows, hash_texts
from labelpress.store import open_project_store
from labelpress.tables.schemas import ASKS


@pytest.fixture(name="cli")
def _cli(asked):
    """Call a labelpress command on the asked project."""

    def call(*words, code=0):
        command, rest = words[:2], words[2:]
        result = CliRunner().invoke(app, [*command, str(asked.path), *map(str, rest)])
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())

    return call


def _fill_in(file, labels, annotator="ada"):
    """Write labels, by ask id, into an exported file, and a name into every line."""
    frame = pl.read_csv(file, infer_schema=False)
    label = pl.col("ask_id").replace_strict(labels, default=None, return_dtype=pl.String)
    frame.with_columns(label=label, annotator=pl.lit(annotator)).write_csv(file)


def _answers(project):
    frame = project.store.answers.read().sort("ask_id", "annotator")
    return frame.select("ask_id", "label", "annotator").rows()


def test_the_columns_of_an_export_are_stable(asked, cli, tmp_path):
    """Ours first, then those of the source; the oracle's is not among them."""
    cli("asks", "export", "--out", tmp_path / "asks.csv")

    with (tmp_path / "asks.csv").open() as file:
        rows = list(csv.reader(file))
    assert ",".join(rows[0]) == (
        "ask_id,row_id,reason,classes,label,annotator,seconds,rationale,answered,expires,"
        "id,text,stars"
    )
    assert rows[1][:4] == ["ask-a1", "a1", "drawn at random", "ham | spam"]
    assert len(rows) == 7


def test_only_declared_columns_leave(asked, cli, tmp_path):
    """A column that does not exist is an error that names the nearest."""
    asked.configure("[experts]", '[exchange]\ncolumns = ["text"]\n[experts]')
    cli("asks", "export", "--out", tmp_path / "asks.jsonl")
    assert pl.read_ndjson(tmp_path / "asks.jsonl").columns[10:] == ["text"]

    asked.configure('columns = ["text"]', 'columns = ["txt"]')
    said = cli("asks", "export", "--out", tmp_path / "asks.csv", code=1)
    assert "no column 'txt'. Did you mean 'text'?" in said


def test_a_row_that_changed_is_not_shown(asked, cli, tmp_path):
    """Its answer could not count; the next run asks again where it is worth it."""
    changed = asked.frame("day-1.parquet").with_columns(
        text=pl.when(pl.col("id") == "a1").then(pl.lit("other words")).otherwise("text")
    )
    asked.write("day-1.parquet", changed, age=-100)

    said = cli("asks", "export", "--out", tmp_path / "asks.csv")

    assert "5 open asks 1 asks are left out" in said
    assert "ask-a1" not in (tmp_path / "asks.csv").read_text()


def test_a_source_text_is_no_formula(asked, cli, tmp_path):
    """A spreadsheet would run it."""
    rows = asked.frame("day-1.parquet").with_columns(text=pl.lit('=HYPERLINK("x")'))
    asked.write("day-1.parquet", rows, age=-100)
    asks = asked.store.asks.read().filter(pl.col("part") == "day-2.parquet").head(1)
    row = rows.head(1)
    digest = hash_texts(pl.Series(hash_rows(row, ["id", "stars", "text"]), dtype=pl.UInt64))[0]
    asked.store.asks.append(
        asks.with_columns(
            ask_id=pl.lit("f"),
            row_id=pl.lit("a1"),
            part=pl.lit("day-1.parquet"),
            row_hash=pl.lit(digest),
        ),
        batch="v2",
    )

    cli("asks", "export", "--out", tmp_path / "asks.csv")

    texts = pl.read_csv(tmp_path / "asks.csv").filter(pl.col("ask_id") == "f")["text"]
    assert texts.to_list() == ['\'=HYPERLINK("x")']


def test_a_filled_in_export_comes_home_in_parts(asked, cli, tmp_path):
    """Half today, all of it tomorrow, and once more by mistake: each answer counts once."""
    file = tmp_path / "asks.csv"
    cli("asks", "export", "--out", file)

    _fill_in(file, {"ask-a1": "spam", "ask-b1": "spam"})
    half = cli("answers", "import", file)
    _fill_in(file, {"ask-a1": "spam", "ask-b1": "spam", "ask-c1": "ham"})
    whole = cli("answers", "import", file)
    again = cli("answers", "import", file)

    assert half == "2 answers were taken, 4 lines are not filled in"
    assert whole == "1 answers were taken, 2 were known, 3 lines are not filled in"
    assert again == "0 answers were taken, 3 were known, 3 lines are not filled in"
    assert _answers(asked) == [
        ("ask-a1", "spam", "ada"),
        ("ask-b1", "spam", "ada"),
        ("ask-c1", "ham", "ada"),
    ]


def test_an_export_does_not_write_over_answers(asked, cli, tmp_path):
    """They may not have been imported yet."""
    file = tmp_path / "asks.csv"
    cli("asks", "export", "--out", file)
    _fill_in(file, {"ask-a1": "spam"})
    before = file.read_bytes()

    said = cli("asks", "export", "--out", file, code=1)

    assert "holds answers" in said
    assert file.read_bytes() == before


def test_rejected_lines_are_listed_and_can_be_mended(asked, cli, tmp_path):
    """Beside the import, with reasons; when nothing is wrong any more the list is gone."""
    file = tmp_path / "answers.csv"
    file.write_text("ask_id,label,annotator\nask-a1,spma,ada\nask-b1,ham,ada\nzzz,ham,ada\nask-c1")

    cli("answers", "import", file)

    rejected = tmp_path / "answers.rejected.csv"
    assert pl.read_csv(rejected).select("line", "refused", "label", "text").rows() == [
        (2, "no such class 'spma'. Did you mean 'spam'?", "spma", None),
        (4, "no such ask in this project", "ham", None),
        (5, "has 1 fields where the header has 3", None, "ask-c1"),
    ]
    rejected.write_text(rejected.read_text().replace("spma,ada", "spam,ada"))
    cli("answers", "import", rejected)
    assert _answers(asked) == [("ask-a1", "spam", "ada"), ("ask-b1", "ham", "ada")]
    file.write_text("ask_id,label,annotator\nask-a1,spam,ada\n")
    cli("answers", "import", file)
    assert not rejected.exists()


@pytest.mark.parametrize("name", ["prodigy", "argilla"])
def test_tools_get_what_they_read(asked, cli, tmp_path, name):
    """One JSON object per ask, with our id and without the source's."""
    asked.configure("[experts]", '[exchange]\ncolumns = ["text"]\n[experts]')

    cli("asks", "export", "--format", name, "--out", tmp_path / "asks.jsonl")

    first = pl.read_ndjson(tmp_path / "asks.jsonl").row(0, named=True)
    if name == "prodigy":
        assert first == {
            "text": "text: subscribe to my channel",
            "options": [{"id": "ham", "text": "ham"}, {"id": "spam", "text": "spam"}],
            "meta": {"ask_id": "ask-a1"},
        }
    else:
        assert (first["id"], first["fields"]) == ("ask-a1", {"text": "subscribe to my channel"})


def test_two_imports_at_once_count_each_answer_once(asked):
    """Four overlapping files in four threads: each (ask, annotator) lands in the table once."""
    store = open_project_store(asked.read())
    names = [f"ask-{day}{row}" for day in "abc" for row in (1, 2)]

    def bring(start):
        lines = "".join(f"{name},ham,ada\n" for name in names[start : start + 3])
        text = f"ask_id,label,annotator\n{lines}{names[0]},spam,annotator-{start}\n"
        return take_answers(store, read_lines("x.csv", text.encode())).answers

    with ThreadPoolExecutor(4) as pool:
        taken = sum(pool.map(bring, range(4)))

    answers = asked.store.answers.read()
    assert taken == answers.height == 10
    assert answers.select("ask_id", "annotator").is_duplicated().any() is False


def test_a_hundred_thousand_lines_take_seconds(asked):
    """And bringing them again takes nothing."""
    store = open_project_store(asked.read())
    count = 100_000
    now = datetime.now(UTC)
    asks = pl.DataFrame(
        {
            "ask_id": [f"many-{number}" for number in range(count)],
            "row_id": [str(number) for number in range(count)],
            "created": now - timedelta(days=1),
            "expires": now + timedelta(days=1),
        }
    )
    absent = [pl.lit(None, kind).alias(n) for n, kind in ASKS.items() if n not in asks.columns]
    store.asks.append(asks.with_columns(absent).select(ASKS.names()), batch="many")
    text = "ask_id,label,annotator,seconds,rationale,answered\n" + "".join(
        f"many-{number},{'spam' if number % 3 else 'ham'},ada,4.5,because,2026-03-02T10:00:00Z\n"
        for number in range(count)
    )

    start = time.process_time()
    taken = take_answers(store, read_lines("x.csv", text.encode()))
    seconds = time.process_time() - start

    assert taken.answers == count
    assert seconds < 15
    assert take_answers(store, read_lines("x.csv", text.encode())).repeated == count
    assert store.answers.read().height == count


def test_what_a_tool_says_is_sorted_like_a_file(asked):
    """Lines without a file keep a number to be named by."""
    records = iter([(1, {"ask_id": "ask-a1", "label": "ham", "annotator": "ada", "tool": "form"})])

    taken = take_answers(open_project_store(asked.read()), gather(records, []))

    assert taken.answers == 1
    assert asked.store.answers.read()["tool"].to_list() == ["form"]
