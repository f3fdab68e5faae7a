"""Reading the rows of one partition, and the digest of its file, on a worker."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from labelpress.errors import SourceError
from labelpress.sources.columns import type_name
from labelpress.sources.listing import filesystem, stamp_of
from labelpress.traffic import count_read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labelpress.sources.listing import SourceFile

_BLOCK = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Footer:
    """What the footer of a Parquet file tells."""

    schema: tuple[tuple[str, str], ...]
    """Column names and type names, constants included."""
    row_groups: tuple[int, ...]
    """Rows in each row group."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file's footer and the digest of its content."""

    footer: Footer
    digest: str
    """BLAKE2b of the file's bytes and its constants."""


def inspect(file: SourceFile, options: Mapping[str, str]) -> FileFacts:
    """
    Read a file's footer and hash its content.

    Raises `SourceError` where the file is not Parquet, is truncated, or has vanished.
    """
    footer = read_footer(file, options)
    system, path = filesystem(file.uri, options)
    digest = hashlib.blake2b(repr(file.constants).encode(), digest_size=16)
    with _faults(file), system.open(path, "rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
            count_read(len(block))
    _check_unchanged(file, system.info(path))
    return FileFacts(footer, digest.hexdigest())


def read_footer(file: SourceFile, options: Mapping[str, str]) -> Footer:
    """Read a file's schema and row groups; raises `SourceError` as `inspect` does."""
    system, path = filesystem(file.uri, options)
    with _faults(file), system.open(path, "rb") as handle:
        parquet = pq.ParquetFile(handle)
        metadata, schema = parquet.metadata, parquet.schema_arrow
        rows = tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    columns = tuple((field.name, type_name(field.type)) for field in schema)
    constants = tuple((name, "string") for name, _ in file.constants)
    return Footer(columns + constants, rows)


def read_rows(
    file: SourceFile,
    row_groups: tuple[int, int],
    types: Mapping[str, str],
    options: Mapping[str, str],
) -> pl.DataFrame:
    """
    Read some columns of the row groups first to last (inclusive) of a file, as the agreed types.

    A column that the file lacks is null. Raises `SourceError` where the file cannot be read or a
    value does not fit.
    """
    system, path = filesystem(file.uri, options)
    constants = dict(file.constants)
    with _faults(file), system.open(path, "rb") as handle:
        parquet = pq.ParquetFile(handle)
        present = set(parquet.schema_arrow.names)
        wanted = [name for name in types if name in present]
        groups = list(range(row_groups[0], row_groups[1] + 1))
        table = parquet.read_row_groups(groups, columns=wanted, use_threads=False)
        count_read(_stored_bytes(parquet.metadata, groups, set(wanted)))
    _check_unchanged(file, system.info(path))
    columns = {
        name: _column(table, name, kind, constants, file.path) for name, kind in types.items()
    }
    if not columns:
        return pl.DataFrame()
    frame = pl.from_arrow(pa.table(columns))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  # a table with columns is a frame
    return frame


def _stored_bytes(metadata: pq.FileMetaData, groups: Sequence[int], columns: set[str]) -> int:
    """Return how many bytes some columns of some row groups take in the file."""
    total = 0
    for group in groups:
        chunks = metadata.row_group(group)
        for place in range(chunks.num_columns):
            chunk = chunks.column(place)
            if chunk.path_in_schema.partition(".")[0] in columns:
                total += chunk.total_compressed_size
    return total


@contextmanager
def _faults(file: SourceFile) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise SourceError(
            f"source file {file.path!r} was deleted while the run was reading it; run again."
        ) from None
    except (pa.ArrowException, OSError, IndexError) as error:
        raise SourceError(
            f"source file {file.path!r} cannot be read as Parquet ({_first_line(error)}). "
            "It is truncated, or of another format: write it again, or move it out of the source."
        ) from None


def _check_unchanged(file: SourceFile, info: Mapping[str, Any]) -> None:
    if (file.size, file.stamp) != (int(info["size"]), stamp_of(info, file)):
        raise SourceError(
            f"source file {file.path!r} was replaced while the run was reading it; run again."
        )


def _column(
    table: pa.Table, name: str, kind: str, constants: Mapping[str, str | None], path: str
) -> Any:
    if name in constants:
        return pa.array([constants[name]] * table.num_rows, pa.string())
    target = _arrow_type(kind)
    if name not in table.column_names:
        return pa.nulls(table.num_rows, target or pa.null())
    column = table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if target is None or column.type == target:
        return column
    try:
        return column.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceError(
            f"column {name!r} of {path!r} cannot be read as {kind} ({_first_line(error)})."
        ) from None


def _arrow_type(kind: str) -> pa.DataType | None:
    """Return the Arrow type of a widened name, or None where the column is taken as it is."""
    simple = {"double": pa.float64(), "float": pa.float32(), "string": pa.large_string()}
    if kind in simple:
        return simple[kind]
    if kind.startswith(("int", "uint")):
        return pa.type_for_alias(kind)
    return None


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:200]
