"""The two kinds of folder a store can lie in: on a disk, or under a prefix of an object store."""

from __future__ import annotations

import errno
import os
import re
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

_STAGED = re.compile(r"#\d+$")
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


@dataclass(frozen=True, slots=True)
class Found:
    """A file that lies in a folder."""

    path: str
    """Relative to the folder that was walked from."""
    size: int
    """Bytes."""
    modified: float
    """When it was last written, in seconds since the epoch."""


def is_temporary(path: str) -> bool:
    """
    Say whether a file is one that a writer makes before it has its name, and a killed one leaves.

    Ours end in `.tmp`, as delta-rs's commits do; the object_store library appends `#` and a number.
    """
    name = path.rpartition("/")[2]
    return (name.startswith((".", "_commit_")) and name.endswith(".tmp")) or bool(
        _STAGED.search(name)
    )


class Folder(Protocol):
    """Bytes under relative paths with forward slashes; raises `OSError` of all kinds."""

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading."""

    def read(self, path: str) -> bytes:
        """Return the content of a file."""

    def write(self, path: str, data: bytes) -> None:
        """Write a file so that a reader sees the old content or the new, never a part."""

    def create(self, path: str, data: bytes) -> bool:
        """Write a file unless it exists; return whether this call wrote it."""

    def size(self, path: str) -> int | None:
        """Return the bytes of a file; None where there is none."""

    def find(self, path: str) -> Found | None:
        """Return the facts of one file; None where there is none."""

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names directly under a folder, sorted; none where it does not exist."""

    def walk(self, path: str) -> tuple[Found, ...]:
        """Return all files under a folder, sorted; none where it does not exist."""

    def delete(self, path: str) -> None:
        """Delete a file; nothing happens where there is none."""


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder on a disk."""

    root: Path

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading."""
        return (self.root / path).open("rb")

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        return (self.root / path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        """Write to a temporary file, force it to the disk, then rename it."""
        target = self.root / path
        temporary = self._temporary(target, data)
        try:
            temporary.replace(target)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)

    def create(self, path: str, data: bytes) -> bool:
        """Link a finished temporary file under the name, which fails where the name is taken."""
        target = self.root / path
        if target.exists():
            return False
        temporary = self._temporary(target, data)
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            return _create_exclusively(target, data)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(target.parent)
        return True

    def size(self, path: str) -> int | None:
        """Return the bytes of a file; None where there is none."""
        target = self.root / path
        return target.stat().st_size if target.is_file() else None

    def find(self, path: str) -> Found | None:
        """Return the facts of one file; None where there is none."""
        with suppress(FileNotFoundError, NotADirectoryError):
            facts = (self.root / path).stat()
            return Found(path, facts.st_size, facts.st_mtime)
        return None

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names directly under a folder; what a killed writer left is not shown."""
        try:
            found = [entry.name for entry in (self.root / path).iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return ()
        return tuple(sorted(name for name in found if not is_temporary(name)))

    def walk(self, path: str) -> tuple[Found, ...]:
        """Return all files under a folder, what killed writers left among them."""
        found = []
        for folder, _, names in os.walk(self.root / path):
            for name in names:
                # a file may go while the folder is being walked
                with suppress(FileNotFoundError):
                    place = os.path.join(folder, name)  # noqa: PTH118  # Path is slow for millions
                    facts = os.stat(place)  # noqa: PTH116
                    relative = os.path.relpath(place, self.root).replace(os.sep, "/")
                    found.append(Found(relative, facts.st_size, facts.st_mtime))
        return tuple(sorted(found, key=lambda file: file.path))

    def delete(self, path: str) -> None:
        """Delete a file; nothing happens where there is none. Its folder stays, for writers."""
        (self.root / path).unlink(missing_ok=True)

    def _temporary(self, target: Path, data: bytes) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f".{uuid.uuid4().hex}.tmp"
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return temporary


@dataclass(frozen=True, slots=True)
class ObjectFolder:
    """A prefix of an object store, seen through an fsspec file system."""

    system: Any
    root: str

    def open(self, path: str) -> IO[bytes]:
        """Open a file for reading; only the ranges asked for are fetched."""
        opened: IO[bytes] = self.system.open(self._full(path), "rb")
        return opened

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        data: bytes = self.system.cat_file(self._full(path))
        return data

    def write(self, path: str, data: bytes) -> None:
        """Put the object: object stores show it whole or not at all."""
        self.system.pipe_file(self._full(path), data)

    def create(self, path: str, data: bytes) -> bool:
        """Put the object on the condition that there is none (S3: If-None-Match)."""
        try:
            self.system.pipe_file(self._full(path), data, mode="create")
        except OSError as error:
            if not _is_taken(error):
                raise
            return False
        return True

    def size(self, path: str) -> int | None:
        """Return the bytes of a file; None where there is none."""
        try:
            info = self.system.info(self._full(path))
        except FileNotFoundError:
            return None
        return int(info["size"]) if info["type"] == "file" else None

    def find(self, path: str) -> Found | None:
        """Return the facts of one object; None where there is none."""
        try:
            info = self.system.info(self._full(path))
        except FileNotFoundError:
            return None
        return Found(path, int(info["size"]), _modified(info)) if info["type"] == "file" else None

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names directly under a prefix."""
        folder = self._full(path).rstrip("/")
        try:
            found = self.system.ls(folder, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        names = {name.rstrip("/").removeprefix(folder).strip("/") for name in found}
        return tuple(sorted(name for name in names if name))

    def walk(self, path: str) -> tuple[Found, ...]:
        """Return all objects under a prefix."""
        try:
            infos = self.system.find(self._full(path), detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        start = len(self.root.rstrip("/")) + 1
        found = [
            Found(name[start:], int(info["size"]), _modified(info))
            for name, info in infos.items()
            if info["type"] == "file"
        ]
        return tuple(sorted(found, key=lambda file: file.path))

    def delete(self, path: str) -> None:
        """Delete a file; nothing happens where there is none."""
        with suppress(FileNotFoundError):
            self.system.rm_file(self._full(path))

    def _full(self, path: str) -> str:
        return f"{self.root}/{path}" if path else self.root


def _modified(info: Any) -> float:
    """Return when an object was written, which file systems name differently; unknown is now."""
    for key in ("LastModified", "last_modified", "mtime", "updated", "created"):
        match info.get(key):
            case datetime() as moment:
                return moment.timestamp()
            case int() | float() as seconds:
                return float(seconds)
            case str() as text:
                return datetime.fromisoformat(text).timestamp()
    return time.time()


def _is_taken(error: OSError) -> bool:
    """Say whether a conditional put was refused; s3fs knows it by a field that only AWS sends."""
    response = getattr(error.__cause__, "response", None) or {}
    code = response.get("Error", {}).get("Code")
    return isinstance(error, FileExistsError) or code in {"PreconditionFailed", "412"}


def _create_exclusively(target: Path, data: bytes) -> bool:
    """Create a file where hard links do not exist; a reader could see it before it is whole."""
    try:
        with target.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        return False
    except OSError:
        target.unlink(missing_ok=True)
        raise
    return True


def _sync_folder(folder: Path) -> None:
    """Force a rename to the disk; a file system that cannot do so for folders is left alone."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
