"""Association: normalised pointwise mutual information, by values written out."""

from __future__ import annotations

from math import log

import pytest

from labelpress.bias.association import association_gaps, npmi


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((10, 10, 10, 100), 1.0),  # the same rows
        ((0, 10, 10, 100), -1.0),  # never together
        ((1, 10, 10, 100), 0.0),  # nothing to do with each other
        ((5, 10, 10, 100), log(5) / log(20)),
        ((0, 0, 10, 100), 0.0),  # nothing is known of an empty kind
        ((10, 100, 10, 100), 0.0),  # nor of one that is everything
    ],
)
def test_npmi(counts, expected):
    """From 1 for the same rows to -1 for none in common."""
    assert npmi(*counts) == pytest.approx(expected)


def test_the_gap_tells_for_whom_a_label_is_the_more_usual():
    """Positive inside, negative for the other class; together they mirror each other."""
    (spam, spam_gap), (ham, ham_gap) = association_gaps([40, 10], [30, 120])

    assert spam > 0 > ham
    assert spam_gap > 0 > ham_gap
    assert spam == pytest.approx(npmi(40, 50, 70, 200))
    assert spam_gap == pytest.approx(npmi(40, 50, 70, 200) - npmi(30, 150, 70, 200))
