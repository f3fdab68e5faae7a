"""Take rows out of frames, JSON values and files of text. Pure."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

ERASED = "[erased]"


@dataclass(frozen=True, slots=True)
class Traces:
    """By what the rows to erase are known."""

    row_ids: frozenset[str]
    ask_ids: frozenset[str]
    """Of the asks that were put for them."""

    @property
    def all(self) -> frozenset[str]:
        """Both."""
        return self.row_ids | self.ask_ids

    def named_in(self, text: str) -> bool:
        """Say whether a text has one of the ids as a word of its own."""
        return any(word in self.all for word in _words(text, self.all))

    def rows(self, frame: pl.DataFrame) -> pl.DataFrame | None:
        """Return a frame without the rows; None where it has none of them."""
        column = "row_id" if "row_id" in frame.columns else "ask_id"
        hit = frame[column].cast(pl.String).is_in(list(self.all))
        return frame.filter(~hit) if hit.any() else None

    def words(self, text: str) -> str:
        """Return a text in which each id that stands as a word is replaced."""
        pattern = _pattern(self.all)
        return pattern.sub(ERASED, text) if self.named_in(text) else text

    def value(self, value: Any) -> Any:
        """Return a JSON value without the records of such rows, and without their ids in texts."""
        match value:
            case dict():
                return {key: self.value(item) for key, item in value.items()}
            case list() | tuple():
                return [self.value(item) for item in value if not self._is_record(item)]
            case str():
                return self.words(value)
            case _:
                return value

    def lines(self, name: str, data: bytes) -> bytes | None:
        """
        Return a file of asks or answers without the records of such rows; None where it has none.

        By its ending it is CSV, lines of JSON, or a JSON array.
        """
        text = data.decode("utf-8", errors="replace")
        if not any(identity in text for identity in self.all):
            return None
        if name.endswith(".json"):
            try:
                kept = [one for one in json.loads(text) if not self._mentions(json.dumps(one))]
            except ValueError:
                kept = []
            return (json.dumps(kept, ensure_ascii=False) + "\n").encode()
        if name.endswith((".jsonl", ".ndjson")):
            lines = [line for line in text.splitlines() if not self._mentions(line)]
            return "".join(f"{line}\n" for line in lines).encode()
        return self._csv(text)

    def _csv(self, text: str) -> bytes | None:
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        kept = [fields for fields in records if not self._in_fields(fields)]
        if len(kept) == len(records):
            return None
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(kept)
        return out.getvalue().encode()

    def _in_fields(self, fields: Sequence[str]) -> bool:
        return any(field.strip() in self.all or self._asked_in(field) for field in fields)

    def _asked_in(self, text: str) -> bool:
        return any(ask in text for ask in self.ask_ids)

    def _mentions(self, text: str) -> bool:
        return self._asked_in(text) or any(f'"{one}"' in text for one in self.row_ids)

    def _is_record(self, item: Any) -> bool:
        return isinstance(item, dict) and str(item.get("row_id")) in self.row_ids


def _pattern(words: frozenset[str]) -> re.Pattern[str]:
    ordered = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, ordered))})(?![\w-])")


def _words(text: str, words: frozenset[str]) -> list[str]:
    if not words or not any(word in text for word in words):
        return []
    return _pattern(words).findall(text)
