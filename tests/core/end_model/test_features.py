"""Features: what becomes of text, categories, numbers and their gaps."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from labelpress.end_model.features import fit_features
from labelpress.end_model.settings import Features
from labelpress.errors import SourceError

MIXED = pl.DataFrame(
    {
        "text": ["please subscribe", "nice song", "subscribe please", "nice song", None, "a song"],
        "country": ["de", "de", "de", "fr", "fr", "fr"],
        "age": [1.0, 2.0, None, 4.0, float("nan"), 3.0],
        "paid": [True, False, True, None, False, True],
    }
)
KINDS = Features(text=("text",), categorical=("country",), numeric=("age", "paid"))


def test_numbers_are_scaled_and_gaps_take_the_median():
    """Null, NaN and infinity become the median, here 2.5, which is also the mean here."""
    ages = pl.DataFrame({"age": [1.0, 2.0, 3.0, 4.0]})
    fitted = fit_features(ages, Features(numeric=("age",)))

    gaps = pl.DataFrame({"age": [None, float("nan"), float("inf"), 2.5]})

    np.testing.assert_allclose(fitted.transform(gaps), np.zeros((4, 1)))


def test_a_constant_number_does_not_divide_by_zero():
    """A column without spread becomes zero."""
    constant = pl.DataFrame({"age": [7.0, 7.0]})

    assert fit_features(constant, Features(numeric=("age",))).transform(constant).tolist() == [
        [0.0],
        [0.0],
    ]


def test_unknown_and_rare_categories_share_a_place():
    """A value seen fewer than three times looks like one never seen."""
    frame = pl.DataFrame({"country": ["de", "de", "de", "fr", "fr", "fr", "it"]})
    fitted = fit_features(frame, Features(categorical=("country",)))

    rare = fitted.transform(pl.DataFrame({"country": ["it", "xx", None]})).toarray()

    np.testing.assert_allclose(rare, [[0, 0, 1], [0, 0, 1], [0, 0, 1]])


def test_words_of_one_row_only_are_no_feature():
    """Only `please`, `subscribe`, `nice`, `song` and `nice song` occur twice."""
    words = fit_features(MIXED, KINDS).ngrams[0]
    seen = words.transform(["nice song", "please", "subscribe", "a", "please subscribe"])

    assert len(words.buckets) == 5
    assert np.diff(seen.indptr).tolist() == [3, 1, 1, 0, 2]


def test_long_corpora_go_without_character_ngrams(monkeypatch):
    """Above the limit only words are counted."""
    monkeypatch.setattr("labelpress.end_model.features.NGRAM_CHARACTERS", 10)

    assert len(fit_features(MIXED, KINDS).ngrams) == 1


def test_corpora_of_middling_length_go_without_runs_of_three_words(monkeypatch):
    """Too many of them occur once."""
    short = fit_features(MIXED, KINDS).ngrams[0].longest
    monkeypatch.setattr("labelpress.end_model.features.TRIPLE_CHARACTERS", 10)

    assert (short, fit_features(MIXED, KINDS).ngrams[0].longest) == (3, 2)


def test_a_sample_has_the_features_of_what_it_stands_for():
    """Two thousand rows with characters foretold five times the memory that all rows took."""
    assert len(fit_features(MIXED, KINDS, stands_for=3).ngrams) == 2
    assert len(fit_features(MIXED, KINDS, stands_for=10_000_000).ngrams) == 1


def test_kinds_stand_side_by_side_in_a_sparse_matrix():
    """Text, two countries and two numbers; every row has as many columns at any time."""
    fitted = fit_features(MIXED, KINDS)

    X, one = fitted.transform(MIXED), fitted.transform(MIXED[:1])

    assert sparse.issparse(X)
    assert one.shape == (1, X.shape[1])
    np.testing.assert_allclose(one.toarray(), X[:1].toarray())


def test_features_survive_their_state():
    """What `state` holds makes the same matrix."""
    fitted = fit_features(MIXED, KINDS)

    again = type(fitted).from_state(fitted.state())

    np.testing.assert_array_equal(
        again.transform(MIXED).toarray(), fitted.transform(MIXED).toarray()
    )


def test_features_of_a_model_of_before_are_those_that_it_learnt():
    """Format 2 did not know how long a text is, nor how long its n-grams are."""
    fitted = fit_features(MIXED, KINDS)
    state = fitted.state()
    del state["text_length"]
    for ngrams in state["ngrams"]:
        del ngrams["longest"]

    restored = type(fitted).from_state(state)
    before = restored.transform(MIXED).toarray()

    assert [ngrams.longest for ngrams in restored.ngrams] == [2, 5]
    known = sum(len(ngrams.buckets) for ngrams in fitted.ngrams)
    now = fitted.transform(MIXED).toarray()
    np.testing.assert_array_equal(before, np.delete(now, [known, known + 1], axis=1))


def test_short_texts_are_told_from_long_ones():
    """Two texts of the same known words differ by the unknown ones."""
    fitted = fit_features(MIXED, Features(text=("text",)))

    short, long = fitted.transform(pl.DataFrame({"text": ["nice song", "nice song " + "x " * 40]}))

    assert abs(short - long).max() > 0.25


def test_a_missing_column_is_named():
    """The error says which, suggests the nearest, and what to do."""
    with pytest.raises(SourceError, match=r"'tekst'.*Did you mean 'text'.*\[end_model\] features"):
        fit_features(MIXED, Features(text=("tekst",)))


def test_text_in_which_nothing_repeats_is_refused():
    """A model without a single feature would be the class prior."""
    with pytest.raises(SourceError, match="no feature is left"):
        fit_features(pl.DataFrame({"text": ["abc", "xyz"]}), Features(text=("text",)))
