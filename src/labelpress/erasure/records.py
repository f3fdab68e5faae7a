"""Records of erasures: who had rows erased, when and why, and how far it came; never which rows."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labelpress.erasure.tombstones import FOLDER
from labelpress.errors import PublicationRefusedError
from labelpress.tables.history import Successor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.erasure.tombstones import Tombstones
    from labelpress.store import Store
    from labelpress.tables.files import Files


@dataclass(frozen=True, slots=True)
class Erasure:
    """One request to erase rows."""

    id: str
    who: str
    why: str
    begun: str
    digests: tuple[str, ...]
    done: str | None = None
    """When it was completed; None while it is unfinished."""
    label_files: Mapping[str, Successor] = field(default_factory=dict)
    """What took the place of label files, inside `labels/`; kept until it is done."""
    replaced: tuple[str, ...] = ()
    """Files of event tables, inside the store, that are still to be deleted."""
    untold: tuple[str, ...] = ()
    """Runs of which MLflow still has to be told that they name the rows no more."""

    def finished(self) -> Erasure:
        """Return the erasure as completed now, but for what MLflow has to be told."""
        done = datetime.now(UTC).isoformat()
        return replace(self, done=done, label_files={}, replaced=())


def erasure_id(digests: Tombstones) -> str:
    """Return the id of an erasure; the same rows have the same one, so that it can be resumed."""
    text = ",".join(sorted(digests.digests))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def read_erasure(files: Files, identity: str) -> Erasure | None:
    """Return the record of an erasure; None where there is none."""
    path = f"{FOLDER}/{identity}.json"
    if not files.exists(path):
        return None
    facts = files.read_json(path)
    moved = {old: Successor(**new) for old, new in facts.pop("label_files").items()}
    lists = {name: tuple(facts.get(name, ())) for name in ("digests", "replaced", "untold")}
    return Erasure(**facts | lists, label_files=moved)


def write_erasure(files: Files, erasure: Erasure) -> None:
    """Keep the record."""
    files.write_json(f"{FOLDER}/{erasure.id}.json", asdict(erasure))


def unfinished(files: Files) -> Erasure | None:
    """Return an erasure that has begun and is not done."""
    for name in files.names(FOLDER):
        found = read_erasure(files, name.removesuffix(".json")) if name != "salt.json" else None
        if found is not None and found.done is None:
            return found
    return None


def refuse_during_erasure(store: Store) -> None:
    """Raise `PublicationRefusedError` where rows are being erased."""
    found = unfinished(store.files)
    if found is not None:
        raise PublicationRefusedError(
            f"Rows are being erased from this store since {found.begun} (by {found.who}). Run "
            "again when `labelpress forget` has ended; if it was killed, run it again with the "
            "same list first."
        )
