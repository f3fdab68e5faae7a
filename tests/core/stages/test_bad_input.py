"""Bad input ends a run before any candidate is written, with one error that says what to do."""

from __future__ import annotations

import errno
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl
import pytest

from labelpress.errors import (
    HeuristicError,
    LabelpressError,
    ProjectError,
    PublicationRefusedError,
    SourceError,
    StoreError,
)
from labelpress.tables.folders import LocalFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = ["id", "text", "stars", "gold"]
DUPLICATE = pl.DataFrame(
    [("a2", "nice song, again", 5, "ham"), ("d1", "new", 3, "ham")], SCHEMA, orient="row"
)


@pytest.fixture(name="refused")
def _refused(project, cluster):
    """Expect a run to end with an error, nothing published and no candidate written."""

    @contextmanager
    def refused(kind: type[LabelpressError], match: str) -> Iterator[None]:
        before = project.candidates() if (project.path / "project.toml").exists() else []
        with pytest.raises(LabelpressError, match=match) as caught:
            yield
        assert issubclass(caught.type, kind) or caught.typename == "PartitionsFailedError"
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 700
        assert project.candidates() == before

    return refused


class TestSource:
    """What is wrong with the source's files."""

    def test_no_such_source(self, project, cluster, refused):
        """The key and the whole path are named; the store is not even made."""
        project.configure('"data/"', '"dta/"')

        with refused(SourceError, r"project.toml, \[source\] uri: there is no '.*/reviews/dta'"):
            project.print(cluster)
        assert not (project.path / "store").exists()

    def test_no_parquet_in_it(self, project, cluster, refused):
        """A folder of other files is an empty source."""
        for part in ("day-1.parquet", "day-2.parquet", "day-3.parquet"):
            project.remove(part)
        (project.path / "data" / "day-1.csv").write_text("id,text\n")

        with refused(SourceError, r"\[source\] uri: '.*/data' holds no Parquet file .* mend"):
            project.print(cluster)
        assert not (project.path / "store").exists()

    def test_a_file_of_another_format(self, project, cluster, refused):
        """It is named relative to the source."""
        (project.path / "data" / "day-2.parquet").write_text("id,text\na,b\n" * 20)

        with refused(SourceError, "source file 'day-2.parquet' cannot be read as Parquet.*again"):
            project.print(cluster)

    @pytest.mark.parametrize("kept", [0, 3, 100, -4])
    def test_a_truncated_file(self, project, cluster, refused, kept):
        """Whether its end, most of it or all of it is missing."""
        file = project.path / "data" / "day-2.parquet"
        file.write_bytes(file.read_bytes()[:kept])

        with refused(SourceError, "source file 'day-2.parquet' cannot be read as Parquet"):
            project.print(cluster)

    def test_damage_inside_a_file(self, project, cluster, refused):
        """A footer in order does not make the pages readable."""
        file = project.path / "data" / "day-2.parquet"
        content = bytearray(file.read_bytes())
        content[4:60] = b"\xff" * 56
        file.write_bytes(bytes(content))

        with refused(SourceError, "'day-2.parquet' cannot be read"):
            project.print(cluster)

    def test_files_without_rows(self, project, cluster, refused):
        """Nothing is there to label."""
        for part in ("day-1.parquet", "day-2.parquet", "day-3.parquet"):
            project.write(part, project.frame(part).head(0))

        with refused(SourceError, "source '.*/data' has files but no rows"):
            project.print(cluster)

    def test_one_file_without_rows_is_no_fault(self, project, cluster):
        """A day on which nothing happened."""
        project.write("day-2.parquet", project.frame("day-2.parquet").head(0))

        assert project.print(cluster).labels.height == 8


class TestIds:
    """What is wrong with the column that names rows."""

    def test_no_such_column(self, project, cluster, refused):
        """The file and its columns are named, and the nearest one."""
        project.configure('id = "id"', 'id = "idd"')

        with refused(
            SourceError,
            r"\[source\] id: 'day-1.parquet' has no column 'idd'. Did you mean 'id'\? "
            r"Its columns are 'gold', 'id', 'stars', 'text'\.",
        ):
            project.print(cluster)

    def test_one_file_lacks_it(self, project, cluster, refused):
        """That one is named."""
        project.write("day-2.parquet", project.frame("day-2.parquet").rename({"id": "key"}))

        with refused(SourceError, "'day-2.parquet' has no column 'id'"):
            project.print(cluster)

    def test_it_is_no_id(self, project, cluster, refused):
        """Floats do not name rows."""
        for part in ("day-1.parquet", "day-2.parquet", "day-3.parquet"):
            frame = project.frame(part)
            project.write(part, frame.with_columns(id=pl.int_range(frame.height).cast(pl.Float64)))

        with refused(SourceError, r"column 'id' is double; an id is text or integer"):
            project.print(cluster)

    def test_text_in_one_file_and_numbers_in_another(self, project, cluster, refused):
        """Both files are named."""
        frame = project.frame("day-2.parquet")
        project.write("day-2.parquet", frame.with_columns(id=pl.int_range(frame.height)))

        with refused(
            SourceError,
            "column 'id' is int64 in 'day-2.parquet' and string in 'day-[13].parquet': no type",
        ):
            project.print(cluster)

    def test_nulls(self, project, cluster, refused):
        """Their number and the first three places."""
        rows = [(None, f"text {i}", i, "ham") for i in range(4)]
        project.write("day-2.parquet", [("b0", "text", 1, "ham"), *rows])

        with refused(
            SourceError,
            r"4 rows of 'day-2.parquet' have no 'id'; the first are rows 1, 2, 3 "
            r"\(counted from 0\).*mend or remove them",
        ):
            project.print(cluster)

    def test_duplicates_in_one_partition(self, project, cluster, refused):
        """How many, and three of them with where and how often they stand."""
        rows = [(f"b{i // 2}", "text", 1, "ham") for i in range(8)]
        project.write("day-2.parquet", [*rows, ("b0", "text", 1, "ham")])

        with refused(
            SourceError,
            r"4 ids occur more than once in the source, such as "
            r"'b0' \(3 times, in 'day-2.parquet'\); 'b1' \(2 times, in 'day-2.parquet'\); "
            r"'b2' \(2 times, in 'day-2.parquet'\)\. Remove .* on_duplicate = \"latest:COLUMN\"",
        ):
            project.print(cluster)

    def test_duplicates_across_partitions(self, project, cluster, refused):
        """Both partitions are named."""
        project.write("day-4.parquet", DUPLICATE)

        with refused(
            SourceError,
            r"1 ids? occurs? more than once in the source, such as "
            r"'a2' \(2 times, in 'day-1.parquet' and 'day-4.parquet'\)",
        ):
            project.print(cluster)

    def test_duplicates_that_arrive_later(self, project, cluster, refused):
        """The old partition is not read again, and yet it is found."""
        project.print(cluster)
        project.write("day-4.parquet", DUPLICATE)

        with refused(SourceError, r"'a2' \(2 times, in 'day-1.parquet' and 'day-4.parquet'\)"):
            project.print(cluster, "2026-03-09")
        assert len(project.published()) == 1

    @pytest.mark.parametrize("name", ["day-3.parquet", "day-4.parquet"])
    def test_duplicates_in_what_has_changed(self, project, cluster, refused, name):
        """An edited partition and a new one: of an id that was published, and of a new id."""
        project.print(cluster)
        new = [("b1", "text", 1, "ham"), ("n1", "text", 1, "ham"), ("n1", "text", 2, "ham")]
        project.write(name, new)

        with refused(
            SourceError,
            rf"2 ids occur more than once .*'b1' \(2 times, in 'day-2.parquet' and '{name}'\); "
            rf"'n1' \(2 times, in '{name}'\)",
        ):
            project.print(cluster, "2026-03-09")

    def test_a_copy_of_a_partition(self, project, cluster, refused):
        """Its content is known already; its place is not."""
        project.print(cluster)
        project.write("day-1-copy.parquet", project.frame("day-1.parquet"))

        with refused(SourceError, r"4 ids occur .* 'day-1-copy.parquet' and 'day-1.parquet'"):
            project.print(cluster, "2026-03-09")

    def test_ids_beyond_64_bits_signed(self, project, cluster, refused):
        """An id that the labels table cannot hold is named."""
        for part in ("day-1.parquet", "day-2.parquet", "day-3.parquet"):
            frame = project.frame(part)
            start = int(part[4])
            ids = pl.Series("id", [2**63 + start * 10 + i for i in range(4)], dtype=pl.UInt64)
            project.write(part, frame.with_columns(ids))

        with refused(SourceError, r"'id' .*922337203685477\d+.*does not fit"):
            project.print(cluster)


class TestColumns:
    """What is wrong with the columns that are read."""

    def test_types_that_cannot_be_widened(self, project, cluster, refused):
        """Both types and files are named."""
        frame = project.frame("day-3.parquet")
        project.write("day-3.parquet", frame.with_columns(pl.col("stars").cast(pl.String)))

        with refused(
            SourceError,
            "column 'stars' is int64 in 'day-[12].parquet' and string in 'day-3.parquet': "
            "no type holds both without loss. Rewrite",
        ):
            project.print(cluster)

    def test_a_column_that_nobody_reads_may_be_of_any_type(self, project, cluster):
        """Only columns that are read must agree."""
        for part, value in (("day-1.parquet", 1), ("day-2.parquet", "x"), ("day-3.parquet", True)):
            project.write(part, project.frame(part).with_columns(other=pl.lit(value)))

        assert project.print(cluster).labels.height == 12

    def test_types_that_can_be_widened(self, project, cluster):
        """int32, int64 and float32 beside int16 are no fault."""
        for part, kind in (("day-1.parquet", pl.Int32), ("day-2.parquet", pl.Int8)):
            project.write(part, project.frame(part).with_columns(pl.col("stars").cast(kind)))
        project.write("day-3.parquet", project.frame("day-3.parquet").cast({"stars": pl.Float32}))

        printed = project.print(cluster)

        assert printed.gated.manifest.types["stars"] == "double"
        assert printed.labels.height == 12

    def test_a_column_that_some_partitions_lack(self, project, cluster, refused):
        """How many lack it, one of them, and the key that allows it."""
        project.write("day-2.parquet", project.frame("day-2.parquet").drop("stars"))

        with refused(
            SourceError,
            r"column 'stars' is read, but 1 of 3 files lack it, 'day-2.parquet' for one. "
            r".*\[source\] missing_columns = \"null\"",
        ):
            project.print(cluster)

    def test_missing_columns_may_be_taken_for_empty(self, project, cluster):
        """Heuristics that read them abstain there."""
        project.write("day-2.parquet", project.frame("day-2.parquet").drop("stars"))
        project.configure('id = "id"', 'id = "id"\nmissing_columns = "null"')

        printed = project.print(cluster)

        assert printed.version is not None
        votes = dict(printed.labels.select("row_id", "n_votes").iter_rows())
        assert votes["b1"] == 1
        assert votes["b2"] == 0

    def test_a_column_that_a_heuristic_reads_and_no_file_has(self, project, cluster, refused):
        """Heuristic, column, and what may have been meant."""
        project.edit('pl.col("stars")', 'pl.col("star")')

        with refused(
            HeuristicError, r"starred reads column 'star', which is not there. Did you mean 'stars'"
        ):
            project.print(cluster)

    def test_the_oracles_column_is_not_for_heuristics(self, project, cluster, refused):
        """It would see the answer."""
        project.edit('pl.col("stars") >= 4', 'pl.col("gold") == "ham"')

        with refused(HeuristicError, "starred reads column 'gold', which is not there"):
            project.print(cluster)

    def test_the_oracles_column_is_no_feature(self, project, cluster, refused):
        """The end model would see the answer."""
        project.configure('text = ["text"]', 'text = ["text"]\ncategorical = ["gold"]')

        with refused(ProjectError, r"\[end_model\.?\]? ?features.*'gold'.*oracle"):
            project.print(cluster)

    def test_a_feature_that_no_file_has(self, project, cluster, refused):
        """The key is named too."""
        project.configure('numeric = ["stars"]', 'numeric = ["stras"]')

        with refused(SourceError, "no column 'stras'. Did you mean 'stars'"):
            project.print(cluster)


class TestDuplicatesThatMayStand:
    """With on_duplicate the newest row of an id is labelled, and only it."""

    @pytest.fixture(autouse=True)
    def _allowed(self, project):
        project.configure('id = "id"', 'id = "id"\non_duplicate = "latest:stars"')

    def test_the_latest_row_is_labelled(self, project, cluster):
        """a2 has five stars in the older partition and six in the newer."""
        project.write("day-4.parquet", [("a2", "SUBSCRIBE", 6, "spam"), ("d1", "n", 3, "ham")])

        printed = project.print(cluster)
        published = printed.run.store.labels.read().collect()

        assert printed.gated.manifest.rows == 13
        assert sorted(published["row_id"].to_list()) == sorted(
            [f"{d}{i}" for d in "abc" for i in range(1, 5)] + ["d1"]
        )
        assert published.filter(pl.col("row_id") == "a2")["part"].to_list() == ["day-4.parquet"]

    def test_a_copy_of_a_partition_loses_to_neither(self, project, cluster):
        """Of equal rows one stays."""
        project.write("day-1-copy.parquet", project.frame("day-1.parquet"))

        labels = project.print(cluster).labels

        assert labels["row_id"].to_list() == [f"{d}{i}" for d in "abc" for i in range(1, 5)]

    def test_it_may_be_allowed_later(self, project, cluster):
        """The advice of the error helps also where the old partitions were indexed without it."""
        project.configure('on_duplicate = "latest:stars"', 'on_duplicate = "error"')
        project.print(cluster)
        project.configure('on_duplicate = "error"', 'on_duplicate = "latest:stars"')
        project.write("day-4.parquet", [("a2", "SUBSCRIBE", 6, "spam"), ("d1", "n", 3, "ham")])

        assert project.print(cluster, "2026-03-09").labels.height == 13

    def test_a_row_that_lost_is_not_asked(self, project, cluster):
        """Neither within a partition nor across them."""
        project.configure("budget = 6", "budget = 40")
        project.write(
            "day-4.parquet",
            [("a2", "old", 1, "spam"), ("d1", "n", 3, "ham"), ("d1", "newer", 4, "ham")],
        )

        asks = project.print(cluster).run.store.asks.read()

        assert asks["row_id"].is_duplicated().sum() == 0
        assert set(asks.filter(pl.col("row_id") == "a2")["part"]) <= {"day-1.parquet"}

    def test_the_oracle_answers_for_the_row_that_won(self, project, cluster):
        """Neither for another row of its id in the same file nor for one in another file."""
        project.configure("budget = 6", "budget = 40")
        project.write(
            "day-4.parquet",
            [("a2", "old", 1, "spam"), ("d1", "newer", 4, "spam"), ("d1", "n", 3, "ham")],
        )
        project.print(cluster)

        answers = project.print(cluster, "2026-03-09").fitted.answers

        classes = project.open().classes.names
        told = {row: classes[code] for row, code in answers.select("row_id", "code").iter_rows()}
        assert told["a2"] == "ham"
        assert told["d1"] == "spam"

    def test_an_answer_for_a_row_that_lost_is_stale(self, project, cluster):
        """It was given for other content."""
        project.configure("budget = 6", "budget = 40")
        project.print(cluster)
        project.write("day-4.parquet", [("a2", "SUBSCRIBE", 6, "spam"), ("d1", "n", 3, "ham")])

        printed = project.print(cluster, "2026-03-09", publish=False)

        assert printed.plan.stale_answers == 1
        assert "a2" not in printed.fitted.answers["row_id"].to_list()

    def test_no_such_column(self, project, cluster, refused):
        """The key is named."""
        project.configure("latest:stars", "latest:star")

        with refused(SourceError, r"\[source\] on_duplicate.*'star'.*Did you mean 'stars'"):
            project.print(cluster)

    def test_a_column_that_some_partitions_lack(self, project, cluster, refused):
        """Then nothing says which row is the newest."""
        project.edit("starred", "_starred")
        project.configure('numeric = ["stars"]', "")
        project.write("day-2.parquet", project.frame("day-2.parquet").drop("stars"))

        with refused(SourceError, r"'stars'.*1 of 3 files lack it, 'day-2.parquet'"):
            project.print(cluster)


class TestProjectFile:
    """What is wrong in project.toml."""

    def test_an_unknown_key(self, project, refused):
        """Table, key, and what may have been meant."""
        project.configure("budget = 6", "budgte = 6")

        with refused(
            ProjectError, r"project.toml: \[experts\] budgte is no known key. Did you mean 'budget'"
        ):
            project.open()

    def test_a_class_that_is_no_longer_declared(self, project, cluster, refused):
        """It is in the registry for ever; a misspelt one is recognised."""
        project.print(cluster)
        project.configure('"spam"]', '"spma"]')
        project.heuristics(
            "from labelpress import heuristic\nimport polars as pl\n"
            'short = heuristic(pl.col("stars") > 1, label="ham")\n'
        )

        with refused(
            ProjectError,
            r"project.toml, \[classes\] names: 'spam' is in the store's registry but no longer "
            r"declared.*put it back.*'spma'",
        ):
            project.open("2026-03-09")
        assert project.store.registered_classes().names == ("ham", "spam")


class TestHeuristics:
    """What is wrong in heuristics.py."""

    def test_a_module_that_does_not_import(self, project, refused):
        """File and line; the store is not even made."""
        project.heuristics("import polars as pl\nshort = heuristic(1)\n")

        with refused(ProjectError, "heuristics.py, line 2: NameError: name 'heuristic'"):
            project.open()
        assert not (project.path / "store").exists()

    def test_a_module_that_is_not_python(self, project, refused):
        """File and line."""
        project.heuristics("short = (\n")

        with refused(ProjectError, "heuristics.py, line 1: SyntaxError"):
            project.open()

    def test_a_missing_library(self, project, refused):
        """It must be on every worker."""
        project.heuristics("import no_such_library\n")

        with refused(ProjectError, "heuristics.py, line 1: .*no_such_library.* install it"):
            project.open()

    def test_no_heuristics(self, project, refused):
        """What makes one is said."""
        project.heuristics("x = 1\n")

        with refused(ProjectError, "heuristics.py holds no heuristic: give a name to"):
            project.open()

    def test_no_such_file(self, project, refused):
        """The folder is named."""
        (project.path / "heuristics.py").unlink()

        with refused(ProjectError, "project folder '.*/reviews' holds no heuristics.py"):
            project.open()

    def test_a_class_that_is_not_declared(self, project, refused):
        """Heuristic, class, and what may have been meant."""
        project.edit('label="ham")\nstarred', 'label="hamm")\nstarred')

        with refused(
            HeuristicError, r"heuristics.py, short: 'hamm' is not a class.*Did you mean 'ham'"
        ):
            project.open()
        assert not (project.path / "store").exists()

    def test_a_function_that_names_no_class(self, project, cluster, refused):
        """It is found when it votes, in whatever partition that is."""
        project.edit(
            '@heuristic(label="spam")\ndef shouting(row):\n'
            "    return len(row.text) > 5 and row.text.isupper()",
            '@heuristic()\ndef shouting(row):\n    return "spma" if row.id == "c4" else None',
        )

        with refused(HeuristicError, r"shouting, row 3: 'spma'.*Did you mean 'spam'"):
            project.print(cluster)


class TestStore:
    """What is wrong with the place where labels go."""

    def test_a_store_that_cannot_be_written(self, project, refused):
        """Here its folder would lie below a file."""
        (project.path / "file").write_text("")
        project.configure("[experts]", '[store]\nuri = "file/store"\n[experts]')

        with refused(StoreError, r"Writing failed at .*/file/store/.*Check that the place exists"):
            project.open()

    def test_another_projects_store(self, project, cluster, refused):
        """Both projects are named."""
        project.print(cluster)
        project.configure('name = "reviews"', 'name = "comments"')

        with refused(
            StoreError,
            r"belongs to project 'reviews', but this is project 'comments'.*\[store\] uri",
        ):
            project.open("2026-03-09")

    def test_a_store_of_a_newer_format(self, project, cluster, refused):
        """The version that reads it is named."""
        project.print(cluster)
        files = project.store.files
        facts = files.read_json("store.json") | {"format": 9, "needs_labelpress": "3.1.0"}
        files.write_json("store.json", facts)

        with refused(StoreError, r"has format 9.*Install labelpress 3.1.0 or newer"):
            project.open("2026-03-09")

    def test_a_period_before_the_last_published_one(self, project, cluster, refused):
        """Both periods are named."""
        project.print(cluster, "2026-03-09")

        with refused(
            PublicationRefusedError,
            "period '2026-03-02' lies before the last published one, '2026-03-09'.*rollback",
        ):
            project.open("2026-03-02")

    @pytest.mark.parametrize("fits", [0, 4, 7, 10])
    def test_a_disk_that_fills_up_in_the_middle(self, project, cluster, monkeypatch, fits):
        """Wherever it happens nothing becomes visible, and the next run completes."""
        project.open()
        written = _fill_up_after(monkeypatch, fits)

        with pytest.raises(LabelpressError, match=r"the disk or bucket .* is full .*Free space"):
            project.print(cluster)
        assert written[0] == fits
        assert project.published() == ()

        monkeypatch.undo()
        assert project.print(cluster).version.printing == 1

    def test_a_full_disk_does_not_hide_the_error_before_it(self, project, cluster, monkeypatch):
        """What a stage used cannot be saved either, which is not what a person must know first."""
        from labelpress.accounting import accounted  # noqa: PLC0415

        run = project.open()
        _fill_up_after(monkeypatch, 0)

        with (
            pytest.raises(SourceError, match="the source is wrong"),
            accounted(run, "plan", cluster),
        ):
            raise SourceError("the source is wrong")

    def test_a_real_disk_that_fills_up(self, project, cluster, tmp_path):
        """Also where Delta writes by itself; a file system of 64 KB stands for the disk."""
        disk = tmp_path / "disk"
        disk.mkdir()
        options = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
        if os.geteuid() or subprocess.run(options, check=False, capture_output=True).returncode:
            pytest.skip("mounting a file system needs root")
        try:
            project.configure("[experts]", f'[store]\nuri = "{disk}/store"\n[experts]')
            for taken in range(60, -1, -6):
                self._print_on(disk, taken, project, cluster)
        finally:
            subprocess.run(["umount", str(disk)], check=True)

    @staticmethod
    def _print_on(disk: Path, taken: int, project, cluster) -> None:
        (disk / "ballast").write_bytes(b"x" * taken * 1024)
        before = project.published()
        try:
            project.print(cluster)
        except LabelpressError as error:
            assert "is full" in str(error)  # noqa: PT017  it may or may not fit
            assert project.published() == before


def _fill_up_after(monkeypatch: pytest.MonkeyPatch, fits: int) -> list[int]:
    """Let the disk take some more files and then no other."""
    written = [0]
    write = LocalFolder._temporary

    def until_full(folder: LocalFolder, target: Path, data: bytes) -> Path:
        if written[0] >= fits:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        written[0] += 1
        return write(folder, target, data)

    monkeypatch.setattr(LocalFolder, "_temporary", until_full)
    return written


class TestEstimator:
    """What is wrong with the end model that project.toml names."""

    @pytest.mark.parametrize(
        ("path", "said"),
        [
            ("sklearn.linear_model.NoSuch", "does not import"),
            ("sklearn.svm.LinearSVC", "has no predict_proba"),
            ("sklearn.neighbors.KNeighborsClassifier", "takes no sample_weight"),
        ],
    )
    def test_an_estimator_that_cannot_serve(self, project, cluster, refused, path, said):
        """The run ends before the store is made."""
        project.configure("[end_model.features]", f'[end_model]\nestimator = "{path}"')
        project.configure('text = ["text"]\nnumeric = ["stars"]', "")

        with refused(ProjectError, rf"\[end_model\] estimator: '?{path}'?.* {said}"):
            project.print(cluster)
        assert not (project.path / "store").exists()
