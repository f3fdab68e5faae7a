"""Wordings: what is left of a text when case, punctuation, spacing and numbers do not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence


def wordings(texts: pl.DataFrame) -> pl.Series:
    """
    Return one wording per row over all columns, shape (n,); null where no word is in them.

    Lower case; every number is the same number; whatever is neither letter nor digit is one space.
    Rows of the same wording are near-identical: an expert would answer them alike.
    """
    plain = [
        pl.col(name)
        .cast(pl.String)
        .fill_null("")
        .str.normalize("NFKC")
        .str.to_lowercase()
        .str.replace_all(r"\p{N}+", "0")
        .str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ")
        .str.strip_chars()
        for name in texts.columns
    ]
    if not plain:
        return pl.Series("wording", [None] * texts.height, dtype=pl.String)
    joined = pl.concat_str(plain, separator="\n").alias("wording")
    return texts.select(joined).to_series().replace("\n" * (len(plain) - 1), None)


def first_of_each(rows: pl.DataFrame, taken: Sequence[str] | pl.Series = ()) -> pl.DataFrame:
    """Keep the first row of each wording that is not taken; rows without a wording all stay."""
    wording = pl.col("wording")
    first = pl.int_range(pl.len()).over("wording") == 0
    known = wording.is_in(pl.Series(taken, dtype=pl.String).drop_nulls().implode())
    return rows.filter(wording.is_null() | (first & ~known))
