"""Files of the store: one contract for a disk and for an object store."""

from __future__ import annotations

import errno
import os
import pickle
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import polars as pl
import pytest

from labelpress.errors import StoreError
from labelpress.tables.files import Files, Written
from labelpress.tables.folders import ObjectFolder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="files", params=["disk", "memory"])
def _files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    # fsspec's memory file system stands for every object store that we reach through fsspec.
    place = str(tmp_path / "store") if request.param == "disk" else f"memory://{uuid.uuid4().hex}"
    return Files(place)


class TestFiles:
    """What every kind of store keeps to."""

    def test_what_was_written_is_read(self, files: Files) -> None:
        """Folders appear by themselves, and a second write replaces the first."""
        files.write_bytes("a/b.bin", b"old")
        files.write_bytes("a/b.bin", b"new")

        assert files.read_bytes("a/b.bin") == b"new"
        assert files.size("a/b.bin") == 3

    def test_create_writes_only_what_is_absent(self, files: Files) -> None:
        """The second creator is told so, and the first one's content stays."""
        assert files.create("claim.json", b"mine") is True
        assert files.create("claim.json", b"yours") is False
        assert files.read_bytes("claim.json") == b"mine"

    def test_absent_files_and_folders_have_no_size(self, files: Files) -> None:
        """A folder is not a file."""
        files.write_bytes("a/b.bin", b"")

        assert files.size("a") is None
        assert files.size("none") is None
        assert files.exists("a/b.bin")
        assert not files.exists("a")

    def test_a_walk_finds_all_files_however_deep(self, files: Files) -> None:
        """With size and time, in order of path; one file is found the same way."""
        start = time.time() - 5
        for path in ("runs/r2/x.json", "runs/r1/deep/y.json", "votes/z"):
            files.write_bytes(path, b"{}")
        found = files.walk("runs")

        assert [(file.path, file.size) for file in found] == [
            ("runs/r1/deep/y.json", 2),
            ("runs/r2/x.json", 2),
        ]
        assert all(file.modified > start for file in found)
        assert len(files.walk()) == 3
        assert files.walk("none") == ()
        assert files.find("runs/r2/x.json") == found[1]
        assert files.find("none") is None

    def test_names_are_the_direct_children_in_order(self, files: Files) -> None:
        """Files and folders alike; a folder that does not exist has none."""
        for path in ("runs/r2/x.json", "runs/r1/y.json", "runs/a.json"):
            files.write_bytes(path, b"{}")

        assert files.names("runs") == ("a.json", "r1", "r2")
        assert files.names() == ("runs",)
        assert files.names("none") == ()
        assert files.names("runs/a.json") == ()

    def test_deleting_twice_is_deleting_once(self, files: Files) -> None:
        """A run that is killed between deleting and noting it may delete again."""
        files.write_bytes("a", b"x")
        files.delete("a")
        files.delete("a")

        assert not files.exists("a")

    def test_json_is_written_the_same_way_each_time(self, files: Files) -> None:
        """Keys are sorted and text is not escaped."""
        files.write_json("a.json", {"b": "ü", "a": [1, None]})

        assert files.read_json("a.json") == {"a": [1, None], "b": "ü"}
        assert files.read_bytes("a.json").index(b'"a"') < files.read_bytes("a.json").index(b'"b"')
        assert files.create_json("a.json", {}) is False

    def test_frames_keep_their_types(self, files: Files) -> None:
        """Columns can be picked, in the order asked for, and texts travel with the file."""
        frame = pl.DataFrame(
            {"id": ["x", "y"], "votes": [[1.0], []], "code": [1, None]},
            schema={"id": pl.String, "votes": pl.List(pl.Float64), "code": pl.Int8},
        )

        written = files.write_parquet("f.parquet", frame, {"labelpress": "ü"})

        assert written == Written("f.parquet", files.size("f.parquet") or 0, 2)
        assert files.read_parquet("f.parquet").equals(frame)
        assert files.read_parquet("f.parquet").schema == frame.schema
        assert files.read_parquet("f.parquet", ["code", "id"]).columns == ["code", "id"]
        assert files.parquet_schema("f.parquet").names == ["id", "votes", "code"]
        assert files.parquet_schema("f.parquet").metadata == {b"labelpress": "ü".encode()}

    def test_errors_name_the_file_and_the_column(self, files: Files) -> None:
        """Missing, damaged, or without the column asked for."""
        files.write_bytes("damaged.parquet", b"PAR1....")
        files.write_bytes("damaged.json", b"{")
        files.write_parquet("good.parquet", pl.DataFrame({"id": [1]}))

        with pytest.raises(StoreError, match=r"/none\.parquet does not exist"):
            files.read_parquet("none.parquet")
        with pytest.raises(StoreError, match=r"damaged.parquet is damaged: .* whole Parquet"):
            files.read_parquet("damaged.parquet")
        with pytest.raises(StoreError, match=r"damaged.json is damaged: it is not JSON"):
            files.read_json("damaged.json")
        with pytest.raises(StoreError, match="has no column 'text'; its columns are 'id'"):
            files.read_parquet("good.parquet", ["id", "text"])

    def test_files_travel_to_workers(self, files: Files) -> None:
        """Without the connection, which is made anew."""
        files.write_bytes("a", b"x")

        there = pickle.loads(pickle.dumps(files))  # noqa: S301

        assert there == files
        assert "_folder" not in vars(there)
        assert there.at("sub").uri == f"{files.uri}/sub"

    def test_secrets_are_not_shown(self) -> None:
        """Storage options stay out of logs and tracebacks."""
        assert "hush" not in repr(Files("s3://b", {"AWS_SECRET_ACCESS_KEY": "hush"}))


class TestDisk:
    """What only a disk can do wrong."""

    def test_of_many_creators_one_is_told_so(self, tmp_path: Path) -> None:
        """And the content is that one's."""
        files = Files(str(tmp_path))
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(lambda i: files.create("claim", str(i).encode()), range(64)))

        assert sum(told) == 1
        assert files.read_bytes("claim") == str(told.index(True)).encode()
        assert files.names() == ("claim",)

    def test_create_works_without_hard_links(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As on some network and container file systems."""

        def no_links(*_: object) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", no_links)
        files = Files(str(tmp_path))

        assert files.create("claim", b"mine") is True
        assert files.create("claim", b"yours") is False
        assert [path.name for path in tmp_path.iterdir()] == ["claim"]

    @pytest.mark.parametrize("way", ["write_bytes", "create"])
    def test_a_full_disk_leaves_nothing_behind(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        """The error says that the disk is full; the old content stays."""

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        files = Files(str(tmp_path))
        files.write_bytes("kept", b"old")
        monkeypatch.setattr(os, "fsync", full)

        with pytest.raises(StoreError, match=r"is full .*Free space there and run again"):
            getattr(files, way)("new", b"new")
        with pytest.raises(StoreError, match="is full"):
            files.write_bytes("kept", b"new")
        assert [path.name for path in tmp_path.iterdir()] == ["kept"]
        assert files.read_bytes("kept") == b"old"

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        """A file in the way of a folder, and a file system that lets nobody write."""
        (tmp_path / "file").write_text("")

        with pytest.raises(StoreError, match=r"Writing failed at .*/file/store/a: .*Not a dir"):
            Files(str(tmp_path / "file" / "store")).write_bytes("a", b"")
        with pytest.raises(StoreError, match="access to /sys/labelpress/a is denied"):
            Files("/sys/labelpress").write_bytes("a", b"")

    def test_what_a_killed_writer_left_is_not_listed(self, tmp_path: Path) -> None:
        """Its temporary file has no name that anybody asks for."""
        (tmp_path / ".0123456789abcdef.tmp").write_bytes(b"half")

        assert Files(str(tmp_path)).names() == ()

    def test_a_file_can_be_scanned(self, tmp_path: Path) -> None:
        """Folders that look like partitions add no columns."""
        files = Files(str(tmp_path))
        files.write_parquet("part=a/f.parquet", pl.DataFrame({"id": [1, 2]}))

        found = files.scan("part=a/f.parquet").filter(pl.col("id") > 1).collect()

        assert found.equals(pl.DataFrame({"id": [2]}))
        assert files.read_parquet("part=a/f.parquet").columns == ["id"]


def test_a_refused_conditional_put_is_known_from_any_server() -> None:
    """AWS names the condition, which s3fs looks for; other servers only say 412."""

    class Bucket:
        def pipe_file(self, _path: str, _data: bytes, mode: str) -> None:
            cause = Exception("412")
            cause.response = {"Error": {"Code": self.code}}  # type: ignore[attr-defined]
            raise OSError(22, mode) from cause

    bucket = Bucket()
    bucket.code = "PreconditionFailed"  # type: ignore[attr-defined]
    assert not ObjectFolder(bucket, "b").create("store.json", b"{}")

    bucket.code = "InternalError"  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="create"):
        ObjectFolder(bucket, "b").create("store.json", b"{}")
