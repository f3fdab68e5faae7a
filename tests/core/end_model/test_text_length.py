"""Text length: what it says of short and long texts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelpress.end_model.text_length import fit_text_length

TEXT = ["one", "one two three", "one two three four five six seven"]


def test_a_longer_text_lies_higher_and_an_unusual_one_further_out():
    """Words 1, 3 and 7 lie at logarithms of 2, 4 and 8: evenly, so the middle is the mean."""
    far = fit_text_length(TEXT).transform(TEXT).toarray()

    np.testing.assert_allclose(far[:, 0], 0.25 * np.sqrt(1.5) * np.array([-1, 0, 1]), atol=1e-6)
    np.testing.assert_allclose(far[:, 1], 0.25 * np.array([0.5, -1, 0.5]) / np.sqrt(2), atol=1e-6)


def test_texts_of_one_length_say_nothing_by_it():
    """All lie at the mean, and nothing is divided by zero."""
    far = fit_text_length(["a b", "c d"]).transform(["e f", "a b"]).toarray()

    np.testing.assert_array_equal(far[:, 0], 0)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=8), st.integers(0, 10_000))
def test_no_length_outweighs_the_words(text, words):
    """However long or empty a text is, it stays within three spreads; white space is no word."""
    far = fit_text_length(text).transform(["word " * words, " \t\n"]).toarray()

    assert np.abs(far[:, 0]).max() <= 0.75 + 1e-6
    assert np.abs(far[:, 1]).max() <= 0.25 * 8 / np.sqrt(2) + 1e-6
