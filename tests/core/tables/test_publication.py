"""The labels table: what consumers see after each thing that can happen to it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING
from unittest.mock import patch

import duckdb
import polars as pl
import pytest
from deltalake import CommitProperties, DeltaTable

from labelpress.errors import PublicationRefusedError, StoreError
from labelpress.tables.label_commits import bring_back
from labelpress.tables.publication import LabelTable, Publication

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from labelpress.tables.publication import LabelFile

    WriteLabels = Callable[..., LabelFile]

FIRST, SECOND, THIRD = "2026-01-05", "2026-01-12", "2026-01-19"


def counts(table: LabelTable, version: int | None = None) -> dict[str, int]:
    """Return the rows per partition that a consumer reads; each row_id is there once."""
    frame = table.read(version).collect()
    assert frame["row_id"].is_unique().all()
    return dict(frame.group_by("part").len().sort("part").iter_rows())


@pytest.fixture(name="printed")
def _printed(labels: LabelTable, write: WriteLabels) -> LabelTable:
    """Return a table whose first period was printed: 3 rows in a, 4 in b, 1 in c."""
    files = (write("a", "r1", 3), write("b", "r1", 4), write("c", "r1", 1))
    labels.publish(Publication("r1", FIRST, 1, None, files, meta={"project": "tickets"}))
    return labels


class TestCreation:
    """The table before the first printing."""

    def test_a_created_table_has_no_label_version(self, labels: LabelTable) -> None:
        """Creating it again changes nothing."""
        labels.create("string")

        assert labels.versions() == ()
        assert labels.current() is None
        assert labels.files() == ()
        assert DeltaTable(labels.uri).version() == 0
        with pytest.raises(StoreError, match="No label version has been published"):
            labels.read()

    def test_a_table_that_does_not_exist_has_no_versions(self, tmp_path: Path) -> None:
        """Asking does not create it."""
        table = LabelTable(str(tmp_path / "none"))

        assert table.versions() == ()
        assert table.row_id_type() is None
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(StoreError, match="create it before publishing"):
            table.publish(Publication("r1", FIRST, 1, None, ()))

    def test_row_ids_keep_their_type(self, labels: LabelTable) -> None:
        """A source whose ids became numbers is refused."""
        with pytest.raises(StoreError, match=r"row_id is string in the store .* but int64 in the"):
            labels.create("int64")


class TestPublishing:
    """One commit, whatever changed."""

    def test_the_first_printing(self, printed: LabelTable) -> None:
        """The version says what it is for, and the files are its parts."""
        version = printed.current()

        assert version is not None
        assert (version.version, version.run, version.kind) == (1, "r1", "printing")
        assert (version.period, version.printing) == (FIRST, 1)
        assert version.meta == {"project": "tickets"}
        assert [(file.part, file.rows) for file in printed.files()] == [
            ("a", 3),
            ("b", 4),
            ("c", 1),
        ]
        assert counts(printed) == {"a": 3, "b": 4, "c": 1}

    def test_some_partitions_replaced_one_new_one_gone(
        self, printed: LabelTable, write: WriteLabels
    ) -> None:
        """The others keep their files; the version before still reads as it did."""
        kept = printed.files()[0]
        files = (write("b", "r2", 5), write("d", "r2", 2))

        version = printed.publish(Publication("r2", SECOND, 1, 1, files, ("b", "d"), ("c",)))

        assert version.version == 2
        assert counts(printed) == {"a": 3, "b": 5, "d": 2}
        assert counts(printed, 1) == {"a": 3, "b": 4, "c": 1}
        assert printed.files()[0] == kept
        assert printed.files(1)[2].part == "c"

    def test_nothing_changed(self, printed: LabelTable) -> None:
        """It is a publication all the same: the period has its printing."""
        version = printed.publish(Publication("r2", SECOND, 1, 1, ()))

        assert (version.version, version.period) == (2, SECOND)
        assert printed.files(2) == printed.files(1)
        assert DeltaTable(printed.uri).transaction_version(f"period:{SECOND}") == 1
        with pytest.raises(PublicationRefusedError, match="label version 2"):
            printed.publish(Publication("r3", SECOND, 1, 2, ()))

    def test_only_gone_partitions(self, printed: LabelTable) -> None:
        """Down to none at all."""
        printed.publish(Publication("r2", SECOND, 1, 1, (), gone_parts=("a", "c")))
        assert counts(printed) == {"b": 4}

        printed.publish(Publication("r3", THIRD, 1, 2, (), gone_parts=("b",)))
        assert counts(printed) == {}

    def test_a_partition_may_have_any_name(self, labels: LabelTable, write: WriteLabels) -> None:
        """Polars reads `part` from the folder, Arrow from the log: both must agree."""
        parts = ["a'b", 'q"z', "x,y", "1", "true", "null", "é ü", "a/b=1%.parquet#0-5", "a+b&c"]
        labels.publish(
            Publication("r1", FIRST, 1, None, tuple(write(part, "r1", 1) for part in parts))
        )
        replaced = tuple(write(part, "r2", 2) for part in parts)
        labels.publish(Publication("r2", SECOND, 1, 1, replaced))

        assert counts(labels) == dict.fromkeys(sorted(parts), 2)
        arrow = DeltaTable(labels.uri).to_pyarrow_table(columns=["part"])
        assert sorted(set(arrow["part"].to_pylist())) == sorted(parts)
        for part in parts:
            assert labels.read().filter(pl.col("part") == part).collect().height == 2

    def test_a_promotion_is_marked(self, printed: LabelTable) -> None:
        """A person published what the gate held."""
        held = Publication("r2", SECOND, 1, 1, (), kind="promotion", meta={"who": "ann"})

        assert printed.publish(held).kind == "promotion"

    def test_a_table_travels_to_workers(self, printed: LabelTable) -> None:
        """As its address."""
        assert counts(pickle.loads(pickle.dumps(printed))) == counts(printed)  # noqa: S301


class TestPrintings:
    """Which printings exist, over the life of a project."""

    def test_period_two_then_a_backfilled_reprint_then_period_two_as_scheduled(
        self, printed: LabelTable, write: WriteLabels
    ) -> None:
        """The scheduled run finds its period printed and is told by which version."""
        printed.publish(Publication("r2", SECOND, 1, 1, (write("b", "r2", 5),)))
        printed.publish(Publication("r3", SECOND, 2, 2, (write("b", "r3", 6),)))

        with pytest.raises(PublicationRefusedError, match=r"label version 3 .*printing 2"):
            printed.publish(Publication("r4", SECOND, 1, 3, (write("b", "r4", 7),)))

        assert [(v.period, v.printing) for v in printed.versions()] == [
            (FIRST, 1),
            (SECOND, 1),
            (SECOND, 2),
        ]
        assert counts(printed) == {"a": 3, "b": 6, "c": 1}

    def test_the_past_is_not_printed(self, printed: LabelTable) -> None:
        """Only the latest published period can be reprinted."""
        printed.publish(Publication("r2", SECOND, 1, 1, ()))

        for period, printing in ((FIRST, 2), ("2025-12-29", 1)):
            with pytest.raises(PublicationRefusedError, match="only the latest published"):
                printed.publish(Publication("r3", period, printing, 2, ()))
        assert printed.publish(Publication("r3", SECOND, 2, 2, ())).version == 3

    def test_a_run_that_published_gets_its_version_back(self, printed: LabelTable) -> None:
        """It was killed after the commit, and cannot know."""
        publication = Publication("r2", SECOND, 1, 1, ())
        version = printed.publish(publication)
        printed.publish(Publication("r3", THIRD, 1, 2, ()))

        assert printed.publish(publication) == version
        assert len(printed.versions()) == 3

    def test_a_commit_whose_answer_was_lost_is_found(self, printed: LabelTable) -> None:
        """An object store may take a commit and time out; the retry sees that it landed."""
        real = LabelTable._commit

        def commit_and_lose_the_answer(
            self: LabelTable, table: DeltaTable, publication: Publication
        ) -> bool:
            real(self, table, publication)
            return False

        with patch.object(LabelTable, "_commit", commit_and_lose_the_answer):
            version = printed.publish(Publication("r2", SECOND, 1, 1, ()))

        assert version.version == 2
        assert len(printed.versions()) == 2

    def test_periods_are_found_by_name(self, printed: LabelTable) -> None:
        """The last printing of a period; unknown ones are named with those that exist."""
        printed.publish(Publication("r2", SECOND, 1, 1, ()))
        printed.publish(Publication("r3", SECOND, 2, 2, ()))

        assert printed.find(period=SECOND).version == 3
        assert printed.find(period=FIRST).version == 1
        assert printed.find(2).printing == 1
        with pytest.raises(StoreError, match=r"'2026' is not a period .* 2026-01-05, 2026-01-12"):
            printed.find(period="2026")
        with pytest.raises(StoreError, match=r"0 is not a label version .* are 1, 2, 3"):
            printed.find(0)


class TestPreconditions:
    """What Delta would accept and readers would suffer from."""

    def test_a_missing_or_shortened_file_is_refused(
        self, printed: LabelTable, write: WriteLabels
    ) -> None:
        """And nothing is published."""
        file = write("a", "r2", 9)
        place = DeltaTable(printed.uri).table_uri.removeprefix("file://") + file.path
        with open(place, "rb+") as stream:  # noqa: PTH123
            stream.truncate(100)

        with pytest.raises(PublicationRefusedError, match="has 100 bytes, not"):
            printed.publish(Publication("r2", SECOND, 1, 1, (file,)))
        assert counts(printed) == {"a": 3, "b": 4, "c": 1}

    def test_labels_of_other_columns_are_refused(
        self, printed: LabelTable, frame: pl.DataFrame
    ) -> None:
        """Such as number ids in a table of text ids."""
        file = printed.write("a", "r2", frame.with_columns(row_id=pl.int_range(3)))

        with pytest.raises(PublicationRefusedError, match="has the columns"):
            printed.publish(Publication("r2", SECOND, 1, 1, (file,)))

    def test_a_table_that_something_else_wrote_to_is_refused(self, printed: LabelTable) -> None:
        """Rolling back to the last publication mends it."""
        DeltaTable(printed.uri).delete("part = 'b'")

        with pytest.raises(PublicationRefusedError, match=r"something other than .* version 1"):
            printed.publish(Publication("r2", SECOND, 1, 1, ()))
        assert printed.restore(1, "rows were deleted by hand", "ann").kind == "restore"
        assert counts(printed) == {"a": 3, "b": 4, "c": 1}
        assert printed.publish(Publication("r2", SECOND, 1, 3, ())).version == 4

    def test_a_foreign_restore_is_noticed(self, printed: LabelTable, write: WriteLabels) -> None:
        """Delta's restore carries no transaction of ours."""
        printed.publish(Publication("r2", SECOND, 1, 1, (write("b", "r2", 5),)))
        DeltaTable(printed.uri).restore(1)

        with pytest.raises(PublicationRefusedError, match="something other than labelpress"):
            printed.publish(Publication("r3", THIRD, 1, 2, ()))
        assert counts(printed) == {"a": 3, "b": 5, "c": 1}


class TestRollback:
    """Going back, and forth again."""

    def test_labels_come_back_and_slots_stay_taken(
        self, printed: LabelTable, write: WriteLabels
    ) -> None:
        """Then the period is reprinted on top of what was restored."""
        printed.publish(Publication("r2", SECOND, 1, 1, (write("b", "r2", 5),)))

        back = printed.restore(1, "bad labels", "ann", base_version=2)

        assert (back.version, back.kind, back.run, back.period) == (3, "restore", "r1", FIRST)
        assert back.meta == {"restored": "1", "who": "ann", "reason": "bad labels"}
        assert counts(printed) == {"a": 3, "b": 4, "c": 1}
        with pytest.raises(PublicationRefusedError, match=r"label version 2 .*printing exists"):
            printed.publish(Publication("r3", SECOND, 1, 3, ()))
        with pytest.raises(PublicationRefusedError, match="only the latest published"):
            printed.publish(Publication("r3", FIRST, 2, 3, ()))
        with pytest.raises(PublicationRefusedError, match=r"restore by run r1.* was found"):
            printed.publish(Publication("r3", SECOND, 2, 2, ()))

        printed.publish(Publication("r3", SECOND, 2, 3, (write("b", "r3", 6),)))

        assert counts(printed) == {"a": 3, "b": 6, "c": 1}
        assert printed.publish(Publication("r4", THIRD, 1, 4, ())).version == 5

    def test_a_repeated_rollback_changes_nothing(
        self, printed: LabelTable, write: WriteLabels
    ) -> None:
        """A flow that was killed after it may run again."""
        printed.publish(Publication("r2", SECOND, 1, 1, (write("b", "r2", 5),)))
        back = printed.restore(1, "bad labels", "ann", base_version=2)

        assert printed.restore(1, "bad labels", "ann", base_version=2) == back

    def test_a_rollback_decided_on_an_older_version_is_refused(self, printed: LabelTable) -> None:
        """Somebody published in between."""
        printed.publish(Publication("r2", SECOND, 1, 1, ()))
        printed.publish(Publication("r3", THIRD, 1, 2, ()))

        with pytest.raises(PublicationRefusedError, match="label version 3"):
            printed.restore(1, "bad labels", "ann", base_version=2)

    def test_a_version_whose_files_are_gone_is_not_restored(
        self, printed: LabelTable, write: WriteLabels
    ) -> None:
        """Maintenance did not keep it."""
        printed.publish(Publication("r2", SECOND, 1, 1, (write("b", "r2", 5),)))
        vacuum(printed, keep=[2])

        with pytest.raises(PublicationRefusedError, match="1 of its 3 files are gone"):
            printed.restore(1, "bad labels", "ann")
        assert counts(printed) == {"a": 3, "b": 5, "c": 1}

    def test_a_version_whose_files_go_at_that_moment_is_refused_as_well(
        self, printed: LabelTable, write: WriteLabels
    ) -> None:
        """Maintenance deletes them between the look at them and the commit."""
        printed.publish(Publication("r2", SECOND, 1, 1, (write("b", "r2", 5),)))

        def late(*given: object) -> None:
            vacuum(printed, keep=[2])
            bring_back(*given)

        refused = pytest.raises(PublicationRefusedError, match="1 of its 3 files are gone")
        with patch("labelpress.tables.publication.bring_back", late), refused:
            printed.restore(1, "bad labels", "ann")
        assert counts(printed) == {"a": 3, "b": 5, "c": 1}


def vacuum(table: LabelTable, keep: list[int]) -> int:
    """Remove the files of versions that are not kept; return the table's Delta version after."""
    DeltaTable(table.uri).vacuum(
        retention_hours=0, dry_run=False, enforce_retention_duration=False, keep_versions=keep
    )
    return DeltaTable(table.uri).version()


class TestMaintenance:
    """What is no publication, though it moves the Delta version."""

    def test_publishing_after_a_vacuum(self, printed: LabelTable, write: WriteLabels) -> None:
        """Candidates survive it, and the base is still the last publication."""
        printed.publish(Publication("r2", SECOND, 1, 1, (write("b", "r2", 5),)))
        candidate = write("b", "r3", 6)
        assert vacuum(printed, keep=[2]) == 4

        version = printed.publish(Publication("r3", THIRD, 1, 2, (candidate,)))

        assert version.version == 5
        assert counts(printed) == {"a": 3, "b": 6, "c": 1}
        assert [v.version for v in printed.versions()] == [1, 2, 5]

    def test_a_commit_that_maintenance_got_in_the_way_of_is_repeated(
        self, printed: LabelTable, write: WriteLabels
    ) -> None:
        """The table moves between reading it and committing: the first commit is refused."""
        printed.publish(Publication("r2", SECOND, 1, 1, (write("b", "r2", 5),)))
        real = LabelTable._commit
        refused: list[bool] = []

        def commit(self: LabelTable, table: DeltaTable, publication: Publication) -> bool:
            if not refused:
                vacuum(self, keep=[2])
            landed = real(self, table, publication)
            refused.append(not landed)
            return landed

        with patch.object(LabelTable, "_commit", commit):
            version = printed.publish(Publication("r3", THIRD, 1, 2, (write("b", "r3", 6),)))

        assert refused == [True, False]
        assert version.version == 5
        assert counts(printed) == {"a": 3, "b": 6, "c": 1}

    def test_a_commit_that_another_publication_got_in_the_way_of_is_refused(
        self, printed: LabelTable, write: WriteLabels
    ) -> None:
        """Though it is for another period and other partitions."""
        real, other = LabelTable._commit, Publication("r9", SECOND, 1, 1, (write("z", "r9", 1),))

        def commit(self: LabelTable, table: DeltaTable, publication: Publication) -> bool:
            real(self, DeltaTable(self.uri), other)
            return real(self, table, publication)

        with (
            patch.object(LabelTable, "_commit", commit),
            pytest.raises(PublicationRefusedError, match=r"label version 2 .*run r9"),
        ):
            printed.publish(Publication("r2", THIRD, 1, 1, (write("b", "r2", 5),)))

        assert counts(printed) == {"a": 3, "b": 4, "c": 1, "z": 1}

    def test_fences_outlive_a_checkpoint(self, printed: LabelTable) -> None:
        """Delta folds its log now and then."""
        printed.publish(Publication("r2", SECOND, 1, 1, ()))
        DeltaTable(printed.uri).create_checkpoint()

        with pytest.raises(PublicationRefusedError, match="printing exists"):
            printed.publish(Publication("r3", SECOND, 1, 2, ()))
        assert printed.publish(Publication("r3", SECOND, 2, 2, ())).version == 3
        assert [v.version for v in printed.versions()] == [1, 2, 3]

    def test_a_changed_property_is_no_publication(self, printed: LabelTable) -> None:
        """Consumers still read the version before it."""
        DeltaTable(printed.uri).alter.set_table_properties(
            {"delta.checkpointInterval": "50"}, commit_properties=CommitProperties()
        )

        current = printed.current()
        assert current is not None
        assert current.version == 1
        assert printed.publish(Publication("r2", SECOND, 1, 1, ())).version == 3


class TestOtherReaders:
    """Everything can be read without labelpress."""

    def test_polars_arrow_and_duckdb_read_the_same_rows(
        self, printed: LabelTable, write: WriteLabels
    ) -> None:
        """By version or now, each row_id once."""
        printed.publish(Publication("r2", SECOND, 1, 1, (write("b", "r2", 5),)))

        for version, rows in ((1, 8), (2, 9)):
            scanned = pl.scan_delta(printed.uri, version=version).collect()
            dataset = DeltaTable(printed.uri, version=version).to_pyarrow_dataset()
            found = duckdb.connect()
            found.register("labels", dataset)
            (distinct, total), *_ = found.sql(
                "select count(distinct row_id), count(*) from labels"
            ).fetchall()

            assert scanned["row_id"].n_unique() == scanned.height == rows
            assert dataset.count_rows() == distinct == total == rows

    def test_duckdb_reads_the_files_of_a_version(
        self, printed: LabelTable, write: WriteLabels
    ) -> None:
        """For whoever has no Delta reader; the partition comes from the folder's name."""
        printed.publish(Publication("r2", SECOND, 1, 1, (write("é/b", "r2", 2),)))
        files = [f"{printed.uri}/{file.path}" for file in printed.files()]

        found = duckdb.read_parquet(files, hive_partitioning=True)

        assert found.aggregate("count(distinct row_id), count(*)").fetchall() == [(10, 10)]
        assert ("é/b",) in found.aggregate("part").fetchall()

    def test_filters_find_rows(self, printed: LabelTable) -> None:
        """Files carry a row count but no other statistics: nothing is skipped wrongly."""
        found = printed.read().filter(pl.col("row_id") == "b-3").collect()

        assert found["label"].to_list() == ["spam"]
        assert printed.read().select(pl.len()).collect().item() == 8
