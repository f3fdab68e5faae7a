"""The 68 published regexes of TREC, written as a project, cast the votes published with them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from labelpress.bundle import Bundle
from labelpress.classes import Classes
from labelpress.heuristics import cast, load_heuristics

DATA = Path(__file__).parents[3] / "../shared/data/trec"
CLASSES = Classes(("DESCRIPTION", "ENTITY", "HUMAN", "ABBREVIATION", "LOCATION", "NUMERIC"))

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"the TREC data is not at {DATA}")


@pytest.fixture(scope="module")
def project() -> Bundle:
    """A project of the regexes in the data's readme, in their order."""
    lines = [line.split("\t") for line in (DATA / "readme.txt").read_text().splitlines()]
    rules = [line[:2] for line in lines if len(line) == 3 and line[0] in CLASSES.names]
    source = "from labelpress.heuristics import regex\n" + "\n".join(
        # the published votes ignore case: the test set's texts are not lower-cased
        f"h{place:02} = regex({'(?i)' + pattern!r}, label={label!r}, column='text')"
        for place, (label, pattern) in enumerate(rules)
    )
    return Bundle((("heuristics.py", source.encode()),))


def test_the_published_votes_are_reproduced(project):
    """All 68 heuristics vote as published on all 5,965 rows but two."""
    rows = [
        row
        for part in ("train", "valid", "test")
        for row in json.loads((DATA / f"{part}.json").read_text()).values()
    ]
    texts = pl.DataFrame({"text": [row["data"]["text"] for row in rows]})
    published = np.array([row["weak_labels"] for row in rows])
    votes = cast(texts, load_heuristics(project, CLASSES), CLASSES)

    assert votes.matrix.shape == published.shape == (5965, 68)
    assert votes.faults == (0,) * 68
    # In two test rows the question's fine class, "speed", was left in front of its text. The
    # regex for "speed" finds it there; the published votes were cast on texts without it.
    differing = [(texts["text"][int(r)], int(h)) for r, h in np.argwhere(votes.matrix != published)]
    assert differing == [
        ("speed How fast is alcohol absorbed ?", 37),
        ("speed How fast is sound ?", 37),
    ]


def test_two_published_regexes_that_are_equal_share_a_fingerprint(project):
    """The set has regexes twice; their votes need to be computed once only."""
    heuristics = load_heuristics(project, CLASSES)

    assert len(heuristics) == 68
    assert len({h.fingerprint for h in heuristics}) < 68
