"""Faults of disks, buckets and Delta, said as errors that tell a person what to do."""

from __future__ import annotations

import errno
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake.exceptions import DeltaError

from labelpress.errors import LabelpressError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMOTE = ("botocore.", "aiohttp.", "aiobotocore.", "gcsfs.", "google.", "adlfs.", "azure.")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL_WORDS = re.compile(
    r"QuotaExceeded|InsufficientStorage|NoSpace|StorageFull|status: 507", re.IGNORECASE
)
_FORBIDDEN_WORDS = re.compile(r"AccessDenied|PermissionDenied|Forbidden|status: 403", re.IGNORECASE)


def explain(error: BaseException, doing: str, where: str) -> StoreError | None:
    """
    Return the error of a disk or bucket as a `StoreError`; None where it is something else.

    delta-rs raises its own classes and says the operating system's number in the text only.
    """
    of_place = isinstance(error, OSError) or type(error).__module__.startswith(_REMOTE)
    if not of_place and not isinstance(error, DeltaError):
        return None
    text = str(error)
    number = getattr(error, "errno", None) or _number_in(text)
    if number in _FULL or _FULL_WORDS.search(text):
        return StoreError(
            f"{doing} failed: the disk or bucket that holds {where} is full ({_short(error)}). "
            "Nothing of it is visible. Free space there and run again; finished work is kept."
        )
    forbidden = isinstance(error, PermissionError) or number in _FORBIDDEN
    if forbidden or _FORBIDDEN_WORDS.search(text):
        return StoreError(
            f"{doing} failed: access to {where} is denied ({_short(error)}). Give this user or "
            "key the right to read and write there, or name another place in [store] uri."
        )
    if isinstance(error, FileNotFoundError) and doing.startswith("Reading"):
        return StoreError(
            f"{doing} failed: {where} does not exist ({_short(error)}). If rows were erased from "
            "the store meanwhile, run again; else restore it from a backup, since a store's files "
            "are never deleted by hand."
        )
    if of_place or number is not None:
        return StoreError(
            f"{doing} failed at {where}: {_short(error)}. Check that the place exists, is a "
            "folder or bucket, and can be reached; then run again."
        )
    return None


@contextmanager
def store_faults(doing: str, where: str) -> Iterator[None]:
    """Raise `StoreError` in place of what the operating system, fsspec or delta-rs raise."""
    try:
        yield
    # The libraries of object stores share no class of errors, and are not imported for theirs.
    except pa.ArrowInvalid as error:
        raise StoreError(
            f"{doing} failed: a file at {where} is damaged: it is not a whole Parquet file "
            f"({_short(error)}). Restore it from a backup, then run again."
        ) from error
    except Exception as error:
        explained = None if isinstance(error, LabelpressError) else explain(error, doing, where)
        if explained is None:
            raise
        raise explained from error


def _number_in(text: str) -> int | None:
    found = re.search(r"os error (\d+)|Os \{ code: (\d+)", text)
    return int(found[1] or found[2]) if found else None


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__
