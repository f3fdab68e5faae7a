"""Faults of disks and buckets, said so that a person can act."""

from __future__ import annotations

import errno

import pytest
from deltalake.exceptions import CommitFailedError, DeltaError

from labelpress.errors import StoreError
from labelpress.tables.faults import explain, store_faults

_NO_LOGIN = type("NoCredentialsError", (Exception,), {"__module__": "botocore.exceptions"})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "s3://b/x is full"),
        (OSError(errno.EDQUOT, "Quota exceeded"), "Free space there"),
        (CommitFailedError("write failed: No space left on device (os error 28)"), "is full"),
        (DeltaError("Generic S3 error: <Code>QuotaExceeded</Code>"), "is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "access to s3://b/x is denied"),
        (DeltaError("Client error with status: 403 Forbidden"), "access to s3://b/x is denied"),
        (FileNotFoundError("s3://b/x"), "never deleted by hand"),
        (_NO_LOGIN("Unable to locate credentials"), "Unable to locate credentials. Check that"),
        (TimeoutError("timed out"), "can be reached; then run again"),
    ],
)
def test_what_happened_and_what_to_do(error: Exception, expected: str) -> None:
    """Whichever library raised it."""
    assert expected in str(explain(error, "Reading", "s3://b/x"))


def test_a_bucket_to_write_to_that_is_missing_is_no_deleted_file() -> None:
    """The advice differs."""
    told = str(explain(FileNotFoundError("no such bucket"), "Writing", "s3://b/x"))

    assert "Check that the place exists" in told


@pytest.mark.parametrize(
    "error", [CommitFailedError("conflict"), ValueError("Forbidden"), KeyError()]
)
def test_other_errors_pass(error: Exception) -> None:
    """A conflict or a bug is not a fault of the disk."""
    with pytest.raises(type(error)), store_faults("Reading", "here"):
        raise error


def test_an_error_that_says_what_to_do_is_not_said_again() -> None:
    """Rooms call each other."""
    with pytest.raises(StoreError, match=r"^inner$"), store_faults("Reading", "here"):
        raise StoreError("inner")
