"""Row hashes: whether a row is still the one an expert saw, and its permanent random number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from pandas.util import hash_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


CHUNK_ROWS = 16_384
"""Rows hashed at once, since each of their texts becomes a Python string of several times it."""


def hash_rows(frame: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.uint64]:
    """
    Hash some columns of each row to 64 bits, shape (n,).

    The hash depends on the names and values of the columns that are not null, and on nothing else:
    not on the order of the columns, not on an empty column that other files have, not on the
    partition, and not on the version of Polars, whose own row hash may change between releases and
    would make every stored answer stale. Text is hashed by pandas' SipHash, numbers are mixed
    by splitmix64 (Steele, Lea and Flood 2014).
    """
    chunks = [_hash_chunk(chunk, columns) for chunk in frame.iter_slices(CHUNK_ROWS)]
    return np.concatenate([np.zeros(0, dtype=np.uint64), *chunks])


def _hash_chunk(frame: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.uint64]:
    total = np.zeros(frame.height, dtype=np.uint64)
    for name in columns:
        seed = _text_hash(np.array([name], dtype=object))[0]
        column = frame.get_column(name)
        hashed = _mix(_column_hash(column) ^ seed)
        # A sum does not depend on the order; null adds nothing, as if the column were not there.
        total += np.where(column.is_null().to_numpy(), np.uint64(0), hashed)
    return _mix(total)


def random_numbers(
    row_ids: pl.Series, row_hashes: NDArray[np.uint64], seed: int
) -> NDArray[np.float64]:
    """
    Return each row's permanent random number in [0, 1), shape (n,).

    A function of project seed, id and content alone, so that every rerun draws the same rows
    (permanent random number sampling; Ohlsson 1995).
    """
    start = _mix(np.array([seed], dtype=np.uint64))[0]
    mixed = _mix(_mix(_text_hash(row_ids.cast(pl.String).to_numpy()) ^ start) ^ row_hashes)
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) / float(2**53))


def _column_hash(column: pl.Series) -> NDArray[np.uint64]:
    if column.dtype.is_numeric() and not column.dtype.is_decimal():
        # Numbers hash as float64 where that is exact, so that a widened column keeps its hashes.
        floats = column.cast(pl.Float64).fill_null(0.0).to_numpy()
        hashed = _mix((floats + 0.0).view(np.uint64))
        if column.dtype.is_integer():
            whole = column.fill_null(0)
            big = (whole.cast(pl.Float64).cast(whole.dtype, strict=False) != whole).fill_null(
                value=True
            )
            if big.any():
                exact = _mix(whole.to_numpy().astype(np.uint64))
                hashed = np.where(big.to_numpy(), exact, hashed)
    else:
        hashed = _text_hash(_as_text(column).to_numpy())
    return hashed


def _as_text(column: pl.Series) -> pl.Series:
    if column.dtype == pl.String:
        return column.fill_null("")
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        texts = [_canonical(value) for value in column.to_list()]
        return pl.Series(texts, dtype=pl.String)
    if column.dtype == pl.Boolean or column.dtype.is_temporal():
        return column.to_physical().cast(pl.String).fill_null("")
    return column.cast(pl.String).fill_null("")


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def _text_hash(values: NDArray[Any]) -> NDArray[np.uint64]:
    return np.asarray(hash_array(values.astype(object), categorize=False))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def hash_texts(hashes: pl.Series) -> list[str]:
    """Return row hashes as text of 16 hexadecimal digits, as asks and answers carry them."""
    return [f"{value:016x}" for value in hashes.to_list()]
