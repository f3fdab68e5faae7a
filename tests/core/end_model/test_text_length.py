"""Text length: what it says of short and long texts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelpress.end_model.text_length import TextLength, fit_text_length

TEXT = ["one", "one two three", "one two three four five six seven"]


def test_a_longer_text_and_a_shorter_one_lie_apart():
    """Words 1, 3 and 7 lie at logarithms of 2, 4 and 8: evenly, so the middle is the mean."""
    far = fit_text_length(TEXT).transform(TEXT).toarray()

    step = 0.4 * np.sqrt(1.5)
    np.testing.assert_allclose(far, [[0, step], [0, 0], [step, 0]], atol=1e-6)


def test_texts_of_one_length_say_nothing_by_it():
    """However many there are: a spread that is rounding error would make all others extreme."""
    assert all(fit_text_length(["a b c d e"] * rows) is None for rows in range(60))


@given(st.integers(0, 10_000), st.floats(0, 9), st.floats(1e-9, 3))
def test_no_length_outweighs_the_words(words, mean, spread):
    """However long or empty a text is: n-grams have length one, and so has this at most."""
    text = ["word " * words, " \t\n"]

    far = TextLength(mean, spread).transform(text).toarray()

    assert far.min() >= 0
    assert np.sqrt((far**2).sum(axis=1)).max() <= 1 + 1e-6
