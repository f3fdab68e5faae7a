"""Wordings: near-identical texts have one, and each is asked once."""

from __future__ import annotations

import polars as pl

from labelpress.wordings import first_of_each, wordings


def test_case_punctuation_spacing_and_numbers_do_not_count():
    """What an expert would answer alike has one wording."""
    texts = ["Order #12 is late!", "order  7, is LATE", "order \uff11 is late…", "order is late"]
    found = wordings(pl.DataFrame({"text": texts})).to_list()
    assert found == ["order 0 is late", "order 0 is late", "order 0 is late", "order is late"]


def test_letters_of_every_script_count():
    """Words in other scripts and accents are told apart."""
    found = wordings(pl.DataFrame({"text": ["日本", "日本語", "été", "ete", "नमस्ते"]}))
    assert found.n_unique() == 5


def test_a_row_without_a_word_has_no_wording():
    """Nulls, blanks and bare punctuation are near-identical to nothing."""
    frame = pl.DataFrame({"a": [None, "!", "x"], "b": ["", None, None]})
    assert wordings(frame).to_list() == [None, None, "x\n"]
    assert wordings(pl.DataFrame({"n": [1, 2]}).select([])).to_list() == []


def test_the_columns_are_kept_apart():
    """Words that moved from one column to another make another wording."""
    frame = pl.DataFrame({"a": ["x y", "x"], "b": ["z", "y z"]})
    assert wordings(frame).n_unique() == 2


def test_the_first_of_each_wording_is_kept_unless_it_is_taken():
    """Rows without a wording all stay."""
    rows = pl.DataFrame({"n": [1, 2, 3, 4, 5, 6], "wording": ["a", None, "b", "a", None, "c"]})
    assert first_of_each(rows, ["c", None])["n"].to_list() == [1, 2, 3, 5]
