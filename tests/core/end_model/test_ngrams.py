"""N-grams: what is counted, how it is weighed, and that blocks make no difference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from labelpress.end_model.ngrams import fit_ngrams

TEXT = ["Free money now", "free   MONEY", "no money", "", "I like it", "it, I like"]


@pytest.mark.parametrize("longest", [1, 2, 3])
def test_words_weigh_the_root_of_what_scikit_learn_gives_them(longest):
    """The inner products of the rows are those of its TF-IDF with the root of its weights."""
    ours = fit_ngrams(TEXT, "words", longest).transform(TEXT)
    vectorizer = TfidfVectorizer(
        ngram_range=(1, longest),
        sublinear_tf=True,
        min_df=2,
        token_pattern=r"(?u)\b\w+\b",  # noqa: S106  no password
    ).fit(TEXT)
    vectorizer.idf_ = np.sqrt(vectorizer.idf_)
    theirs = vectorizer.transform(TEXT)

    np.testing.assert_allclose((ours @ ours.T).toarray(), (theirs @ theirs.T).toarray(), atol=1e-6)


def test_characters_stay_within_a_word_and_its_spaces():
    """Of `ab` with its spaces: three pairs, two triples and the whole."""
    found = fit_ngrams(["ab", "ab"], "characters", 5)

    assert len(found.buckets) == len([" a", "ab", "b ", " ab", "ab ", " ab "])
    assert found.transform(["ba"]).nnz == 0


@pytest.mark.parametrize(("kind", "longest"), [("words", 3), ("characters", 5)])
def test_blocks_make_no_difference(monkeypatch, kind, longest):
    """Text hashed row by row gives the same matrix."""
    whole = fit_ngrams(TEXT, kind, longest).transform(TEXT).toarray()

    monkeypatch.setattr("labelpress.end_model.ngrams._BLOCK", 1)

    np.testing.assert_array_equal(fit_ngrams(TEXT, kind, longest).transform(TEXT).toarray(), whole)


@given(st.lists(st.text(max_size=12), max_size=6))
@settings(deadline=None, max_examples=30)
def test_rows_have_length_one_or_nothing_known(text):
    """Whatever characters there are: emoji, unpaired surrogates, other scripts."""
    X = fit_ngrams([*text, *text], "characters", 5).transform(text)

    lengths = np.sqrt(np.asarray(X.multiply(X).sum(axis=1))).ravel()
    assert all(math.isclose(length, 1, abs_tol=1e-5) or length == 0 for length in lengths)
