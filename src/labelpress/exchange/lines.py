"""Answer lines: what a file or a tool says, one line per ask and annotator, before it is judged."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import polars as pl

from labelpress.errors import AnswerError
from labelpress.exchange import argilla, prodigy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NEEDED = ("ask_id", "label", "annotator")

LINES = pl.Schema(
    {
        "line": pl.Int64(),  # of the file, counted from 1
        "ask_id": pl.String(),
        "row_id": pl.String(),  # null: the line does not say
        "label": pl.String(),  # null: skipped, or not filled in
        "annotator": pl.String(),
        "seconds": pl.Float64(),
        "seconds_source": pl.String(),
        "rationale": pl.String(),
        "tool": pl.String(),
        "answered": pl.Datetime("us", "UTC"),
    }
)
"""Empty texts are null, and blanks around ids, labels and names are gone."""

_MOST_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class AnswerLines:
    """The lines of one file, or of one look at a tool."""

    lines: pl.DataFrame
    """With the columns of `LINES`."""
    said: pl.DataFrame
    """What each line said, as text: `line`, then the file's own columns."""
    damaged: pl.DataFrame
    """Lines that cannot be read: `line`, `refused` (why) and `text`."""


def read_lines(name: str, data: bytes) -> AnswerLines:
    """
    Read the bytes of a file of answers: CSV, JSON lines or a JSON array, as the name's ending says.

    A line that cannot be read costs no other: a file that was cut off gives all its whole lines.
    JSON may be Prodigy's or Argilla's. Raises `AnswerError` where the file is not UTF-8 text, has
    no header with the needed columns, or is an array that was cut off.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AnswerError(
            f"{name!r} is not UTF-8 text (byte {error.start}). Save it as CSV in UTF-8; nothing "
            "was taken."
        ) from None
    damaged: list[tuple[int, str, str]] = []
    ending = name.lower().rpartition(".")[2]
    if ending in ("jsonl", "ndjson"):
        lines = ((n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip())
        return gather(_json_records(lines, damaged), damaged)
    if ending == "json":
        return gather(_json_records(_elements(name, text), damaged), damaged)
    return gather(_csv_records(name, text, damaged), damaged)


def holds_answers(name: str, data: bytes) -> bool:
    """Say whether a file holds anything that somebody has filled in."""
    try:
        lines = read_lines(name, data).lines
    except AnswerError:
        return False
    filled = pl.any_horizontal(pl.col("label", "rationale").is_not_null())
    return bool(lines.select(filled.any()).item())


def gather(
    records: Iterator[tuple[int, dict[str, Any]]], damaged: list[tuple[int, str, str]]
) -> AnswerLines:
    """Make answer lines of numbered records, each with the names of `LINES` and others."""
    said = list(records)
    rows = [_as_line(number, record) for number, record in said]
    # A list of rejected lines that somebody mended has these columns from last time.
    names = dict.fromkeys(
        name for _, record in said for name in record if name not in ("line", "refused")
    )
    texts = {name: [_text(record.get(name)) for _, record in said] for name in names}
    numbers = pl.Series("line", [number for number, _ in said], dtype=pl.Int64)
    return AnswerLines(
        pl.DataFrame(rows, schema=LINES, orient="row"),
        pl.DataFrame([numbers, *(pl.Series(n, v, dtype=pl.String) for n, v in texts.items())]),
        pl.DataFrame(
            damaged,
            schema={"line": pl.Int64, "refused": pl.String, "text": pl.String},
            orient="row",
        ),
    )


def _csv_records(
    name: str, text: str, damaged: list[tuple[int, str, str]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)  # a spreadsheet writes what its country is used to
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [column.strip() for column in next(reader, [])]
    _check_header(name, columns)
    rows: list[tuple[int, dict[str, Any]]] = []
    while True:
        number = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            damaged.append((number, f"cannot be read ({error})", ""))
            continue
        if len(fields) == len(columns):
            rows.append((number, dict(zip(columns, fields, strict=True))))
        elif fields:
            reason = f"has {len(fields)} fields where the header has {len(columns)}"
            damaged.append((number, reason, delimiter.join(fields)))
    if rows and _has_open_quote(text, rows[-1][0], delimiter):
        number, last = rows.pop()
        reason = "opens a quote that nothing closes, so this and all lines after it are unread"
        damaged.append((number, reason, delimiter.join(last.values())))
    elif rows and text[-1:] not in ("\n", "\r") and _seems_cut(columns[-1], rows):
        number, last = rows.pop()
        reason = f"is the last and seems cut off in {columns[-1]!r}"
        damaged.append((number, reason, delimiter.join(last.values())))
    yield from rows


def _check_header(name: str, columns: list[str]) -> None:
    missing = [column for column in NEEDED if column not in columns]
    if missing:
        raise AnswerError(
            f"{name!r} lacks the columns {', '.join(missing)}; it has "
            f"{', '.join(columns) or 'none'}. Nothing was taken."
        )
    twice = [column for column in NEEDED if columns.count(column) > 1]
    if twice:
        raise AnswerError(f"{name!r} has the column {twice[0]!r} twice. Nothing was taken.")


def _has_open_quote(text: str, start: int, delimiter: str) -> bool:
    """Say whether the record that begins in this line of the text never ends."""
    # An end put after the text is then swallowed too.
    lines = islice(io.StringIO(f"{text}\nend\n", newline=""), start - 1, None)
    return len(list(csv.reader(lines, delimiter=delimiter))) == 1


def _seems_cut(column: str, rows: list[tuple[int, dict[str, Any]]]) -> bool:
    """Say whether the last value of the last column is the beginning of another one."""
    # Not every tool ends a file with a line end, so its absence alone proves nothing.
    last = rows[-1][1][column]
    others = {record[column] for _, record in rows[:-1]}
    return last not in others and any(other.startswith(last) for other in others)


def _json_records(
    texts: Iterable[tuple[int, str]], damaged: list[tuple[int, str, str]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in texts:
        try:
            value = json.loads(text)
            if "\\ud" in text.lower():  # half of a surrogate pair is no text
                json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            damaged.append((number, f"is no JSON ({error})", text))
            continue
        if not isinstance(value, dict):
            damaged.append((number, "is no JSON object", text))
            continue
        try:
            found = _plain_records(value)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            damaged.append((number, f"cannot be an answer ({error})", text))
            continue
        for record in found:
            yield number, record


def _elements(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the elements of a JSON array, numbered from 1, as text again."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnswerError(
            f"{name!r} is no whole JSON array ({error}). Nothing was taken; export it again."
        ) from None
    if not isinstance(values, list):
        raise AnswerError(f"{name!r} is no JSON array. Nothing was taken.")
    return ((number, json.dumps(value)) for number, value in enumerate(values, 1))


def _plain_records(value: dict[str, Any]) -> list[dict[str, Any]]:
    if prodigy.is_record(value):
        return prodigy.read_record(value)
    if argilla.is_record(value):
        return argilla.read_record(value)
    return [value]


def _as_line(number: int, record: Mapping[str, Any]) -> tuple[Any, ...]:
    if _left_blank(record):
        record = {**record, "annotator": None}
    seconds = _seconds(record.get("seconds"))
    # only what reads a tool knows that the tool measured
    measured = record.get("seconds_source") == "measured"
    source = "modelled" if seconds is None else "measured" if measured else "declared"
    return (
        number,
        _clean(record.get("ask_id")),
        _clean(record.get("row_id")),
        _clean(record.get("label")),
        _clean(record.get("annotator")),
        seconds,
        source,
        _text(record.get("rationale")) or None,
        _clean(record.get("tool")) or "file",
        _time(record.get("answered")),
    )


def _left_blank(record: Mapping[str, Any]) -> bool:
    """Say whether a line of an export has a name and nothing else: names get filled down."""
    offered = [name for name in ("seconds", "rationale", "answered") if name in record]
    said = any(_clean(record.get(name)) for name in ("label", *offered))
    return bool(offered) and not said and (_clean(record.get("tool")) or "file") == "file"


def _clean(value: Any) -> str | None:
    text = _text(value)
    return None if text is None else text.strip() or None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _seconds(value: Any) -> float | None:
    """Return the seconds of an answer; None where nothing sensible is said."""
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and 0 < seconds <= _MOST_SECONDS else None


def _time(value: Any) -> datetime | None:
    """Return a moment: ISO 8601, UTC where it names no zone; None where it is none."""
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
