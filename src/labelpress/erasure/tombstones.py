"""
Tombstones: which rows were erased, without saying which.

A row that is still in the source would come back with the next run. So its id is remembered as a
digest under the store's own salt: enough to know it again, not enough to read it. Whoever has both
the store and a list of possible ids can test them; who may read the store is the owner's business.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labelpress.tables.files import Files

FOLDER = "erasures"
_SALT = f"{FOLDER}/salt.json"


@dataclass(frozen=True, slots=True)
class Tombstones:
    """The erased ids of a store, as a value that travels to workers."""

    salt: str
    digests: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.digests)

    def digest(self, row_id: str) -> str:
        """Return what stands for an id, given as text."""
        key = bytes.fromhex(self.salt)
        return hashlib.blake2b(row_id.encode(), key=key, digest_size=16).hexdigest()

    def mask(self, row_ids: pl.Series) -> pl.Series:
        """Say which rows were erased, shape (n,), bool; ids that are null are none."""
        if not self.digests:
            return pl.repeat(value=False, n=len(row_ids), dtype=pl.Boolean, eager=True)
        texts = row_ids.cast(pl.String).to_list()
        hits = [text is not None and self.digest(text) in self.digests for text in texts]
        return pl.Series(hits, dtype=pl.Boolean)


NONE = Tombstones("", frozenset())


def read_tombstones(files: Files) -> Tombstones:
    """Return all tombstones of a store, those of an unfinished erasure among them."""
    names = [name for name in files.names(FOLDER) if name != "salt.json"]
    if not names:
        return NONE
    digests: set[str] = set()
    for name in names:
        digests.update(files.read_json(f"{FOLDER}/{name}")["digests"])
    return Tombstones(str(files.read_json(_SALT)["salt"]), frozenset(digests))


def tombstones_for(files: Files, row_ids: Iterable[str]) -> Tombstones:
    """Return the tombstones of ids, under the store's salt, which the first erasure makes."""
    files.create_json(_SALT, {"salt": secrets.token_hex(16)})
    empty = Tombstones(str(files.read_json(_SALT)["salt"]), frozenset())
    return Tombstones(empty.salt, frozenset(empty.digest(row_id) for row_id in row_ids))
