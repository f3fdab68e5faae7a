"""Pseudonyms of annotators: numbers that say who answered what together, but not who."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """The pseudonym of each annotator by name; without any, everybody keeps their name."""

    by_name: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(people: Iterable[str], key: str) -> Pseudonyms:
        """Number people in an order that depends on `key` and does not follow their names."""

        def place(name: str) -> str:
            return hashlib.blake2b(name.encode(), key=key.encode()[:64]).hexdigest()

        ordered = sorted(set(people), key=place)
        return Pseudonyms(
            {name: f"annotator-{number}" for number, name in enumerate(ordered, start=1)}
        )

    def of_person(self, name: str) -> str:
        """Return the name that a person has in the dossier."""
        return self.by_name.get(name, "annotator-unknown") if self.by_name else name

    def in_text(self, text: str) -> str:
        """Replace every name that stands in a text as words of its own."""
        for name in sorted(self.by_name, key=len, reverse=True):
            text = _whole(name).sub(self.by_name[name], text)
        return text

    def in_page(self, page: bytes) -> bytes | None:
        """Replace names that fill a cell of an HTML page; None where one stands elsewhere too."""
        text = page.decode()
        for name, pseudonym in self.by_name.items():
            text = text.replace(f">{escape(name)}<", f">{pseudonym}<")
        told = any(_whole(escape(name)).search(text) for name in self.by_name)
        return None if told else text.encode()


def _whole(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
