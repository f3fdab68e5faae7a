"""The rules of publishing, on states written out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from labelpress.errors import PublicationRefusedError
from labelpress.tables.rules import (
    TableState,
    already_published,
    check_files,
    check_parts,
    check_restore,
    check_slot,
    check_table,
)
from labelpress.tables.versions import Kind, LabelFile, LabelVersion, Publication

FIRST, SECOND, THIRD = "2026-01-05", "2026-01-12", "2026-01-19"
A = LabelFile("a", "part=a/r1.parquet", 10, 3)
B = LabelFile("b", "part=b/r1.parquet", 20, 4)
NEW_A = LabelFile("a", "part=a/r9.parquet", 30, 3)


def version(number: int, period: str, printing: int, kind: Kind = "printing") -> LabelVersion:
    """Return a publication by run r<number>."""
    restored = {"restored": "1"} if kind == "restore" else {}
    at = datetime(2026, 1, number, tzinfo=UTC)
    return LabelVersion(number, f"r{number}", period, printing, kind, at, restored)


EMPTY = TableState(0, (), (), None, None, untouched=True)
# The first period, then the second, which was printed twice; the table moved on to 5 by a vacuum.
STATE = TableState(
    version=5,
    versions=(version(1, FIRST, 1), version(2, SECOND, 1), version(3, SECOND, 2)),
    files=(A, B),
    labels_transaction=3,
    period_transaction=2,
    untouched=True,
)
NEXT = Publication("r9", THIRD, 1, 3, files=(NEW_A,))
"""The publication that STATE is ready for, once the third period's transaction is read."""


class TestSlot:
    """Which printing may come next."""

    @pytest.mark.parametrize(
        ("state", "publication"),
        [
            (EMPTY, Publication("r1", FIRST, 1, None, files=(A, B))),
            (replace(STATE, period_transaction=None), NEXT),
            (STATE, Publication("r9", SECOND, 3, 3, files=())),
        ],
        ids=["the first printing", "the next period", "a reprint of the last period"],
    )
    def test_allowed(self, state: TableState, publication: Publication) -> None:
        """Nothing is said."""
        check_slot(publication, state)

    @pytest.mark.parametrize(
        ("publication", "complaint"),
        [
            (Publication("r9", FIRST, 2, 3, ()), r"label version 3 .* only the latest published"),
            (Publication("r9", SECOND, 1, 3, ()), r"label version 3 .* that printing exists"),
            (Publication("r9", SECOND, 2, 3, ()), r"label version 3 .* that printing exists"),
            (Publication("r9", SECOND, 4, 3, ()), "last printing of that period is 2, so the next"),
            (Publication("r9", SECOND, 3, 2, ()), r"label version 3 .* was found, .* version 2"),
            (Publication("r9", SECOND, 3, None, ()), r"compared with no label version"),
        ],
        ids=["past", "printed", "printed again", "skips one", "older base", "no base"],
    )
    def test_refused(self, publication: Publication, complaint: str) -> None:
        """The error names the version found."""
        with pytest.raises(PublicationRefusedError, match=complaint):
            check_slot(publication, STATE)

    def test_the_tables_own_count_of_printings_decides(self) -> None:
        """Where the log was cleaned away, the transaction is what remains."""
        state = replace(STATE, versions=STATE.versions[-1:], period_transaction=7)

        with pytest.raises(PublicationRefusedError, match="printing exists"):
            check_slot(Publication("r9", SECOND, 3, 3, ()), state)

    def test_a_rollback_frees_no_slot(self) -> None:
        """After going back to the first period the second one's printings still count."""
        state = replace(
            STATE,
            versions=(*STATE.versions, version(6, FIRST, 1, "restore")),
            labels_transaction=6,
        )

        check_slot(Publication("r9", SECOND, 3, 6, ()), state)
        with pytest.raises(PublicationRefusedError, match="only the latest published"):
            check_slot(Publication("r9", FIRST, 2, 6, ()), state)
        with pytest.raises(PublicationRefusedError, match="printing exists"):
            check_slot(Publication("r9", SECOND, 2, 6, ()), state)

    def test_a_run_finds_what_it_published(self) -> None:
        """Only its own printing, and not a rollback to it."""
        mine = Publication("r3", SECOND, 2, 2, ())

        assert already_published(mine, STATE) == STATE.versions[2]
        assert already_published(replace(mine, run="r4"), STATE) is None
        assert already_published(replace(mine, printing=3), STATE) is None


class TestTable:
    """Only labelpress writes to the labels table."""

    def test_a_touched_table_is_refused(self) -> None:
        """Whether the files differ, or only the transaction."""
        check_table(STATE, "Run r9 may not publish")
        for touched in (replace(STATE, untouched=False), replace(STATE, labels_transaction=2)):
            with pytest.raises(PublicationRefusedError, match="Roll back to label version 3 first"):
                check_table(touched, "Run r9 may not publish")


class TestPartsAndFiles:
    """What a Delta commit accepts and a reader suffers from."""

    @pytest.mark.parametrize(
        ("publication", "complaint"),
        [
            (replace(NEXT, replaced_parts=("b",)), "lies in 'a', which is not replaced"),
            (replace(NEXT, replaced_parts=("a", "c")), "partition 'c' is to be replaced but has"),
            (replace(NEXT, gone_parts=("a",)), "partition 'a' is both replaced and gone"),
            (replace(NEXT, gone_parts=("z",)), "partition 'z' is to go, but the base version"),
            (
                replace(NEXT, files=(replace(NEW_A, path="part=b/r9.parquet"),)),
                "is not in the folder of 'a'",
            ),
        ],
    )
    def test_partitions_must_fit_the_files_and_the_base(
        self, publication: Publication, complaint: str
    ) -> None:
        """The filter of a Delta overwrite checks none of it."""
        check_parts(replace(NEXT, gone_parts=("b",)), STATE)
        with pytest.raises(PublicationRefusedError, match=complaint):
            check_parts(publication, STATE)

    @pytest.mark.parametrize(
        ("files", "sizes", "complaint"),
        [
            ((NEW_A,), {NEW_A.path: None}, "does not exist"),
            ((NEW_A,), {NEW_A.path: 29}, "has 29 bytes, not 30"),
            ((A,), {A.path: 10}, "is published already"),
            ((NEW_A, NEW_A), {NEW_A.path: 30}, "is named twice"),
        ],
    )
    def test_files_must_be_there_and_new(
        self, files: tuple[LabelFile, ...], sizes: dict[str, int | None], complaint: str
    ) -> None:
        """A missing file would only be found out by the first reader."""
        check_files(NEXT, STATE, {NEW_A.path: 30})
        with pytest.raises(PublicationRefusedError, match=complaint):
            check_files(replace(NEXT, files=files), STATE, sizes)


class TestRestore:
    """Going back to an earlier version."""

    def test_only_publications_can_be_restored(self) -> None:
        """The error lists them."""
        with pytest.raises(PublicationRefusedError, match=r"4 is not a label .* are 1, 2, 3"):
            check_restore(STATE, 4, None)
        assert check_restore(STATE, 1, None) == STATE.versions[0]

    def test_what_is_current_is_not_restored_again(self) -> None:
        """Neither the current version, nor the one a retried rollback went back to."""
        back = replace(STATE, versions=(*STATE.versions, version(6, FIRST, 1, "restore")))

        assert check_restore(STATE, 3, None) is None
        assert check_restore(back, 1, None) is None
        assert check_restore(replace(STATE, untouched=False), 3, None) == STATE.versions[2]

    def test_a_decision_on_an_older_version_is_refused(self) -> None:
        """Somebody published while the person decided."""
        with pytest.raises(PublicationRefusedError, match=r"label version 3 .* was found, .* 2"):
            check_restore(STATE, 1, 2)
        assert check_restore(STATE, 1, 3) == STATE.versions[0]
