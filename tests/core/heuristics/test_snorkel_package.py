"""from_snorkel against the real snorkel package, where it is installed."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from labelpress.analysis import heuristic_table
from labelpress.classes import Classes
from labelpress.heuristics import cast, from_snorkel
from labelpress.heuristics.loading import unbundled
from labelpress.votes import count_patterns

labeling = pytest.importorskip("snorkel.labeling", reason="snorkel is not installed here")
preprocess = pytest.importorskip("snorkel.preprocess", reason="snorkel is not installed here")
CLASSES = Classes(("ham", "spam"))


def test_functions_vote_as_under_snorkel_s_own_applier():
    """Resources, plain and memoized preprocessors, attributes and items give Snorkel's votes."""

    @preprocess.preprocessor(memoize=True)
    def lowered(x):
        x.low = x.text.lower()
        return x

    @labeling.labeling_function(pre=[lowered])
    def subscribes(x):
        return 1 if "sub" in x.low else -1

    @labeling.labeling_function(pre=[lowered], resources={"words": ["ok"]})
    def agrees(x, words):
        return 0 if any(word in x.low for word in words) else -1

    @labeling.labeling_function()
    def counts(x):
        return 1 if x.n > 3 else (0 if x["n"] == 1 else -1)

    functions = [subscribes, agrees, counts]
    frame = pl.DataFrame({"text": ["Sub", "ok SUB", "x", "OK", "no"], "n": [1, 2, 3, 4, 5]})
    rules = {f.name: from_snorkel(f, ["ham", "spam"]) for f in functions}
    votes = cast(frame, unbundled(rules, CLASSES), CLASSES)
    pandas = pytest.importorskip("pandas").DataFrame(frame.to_dict(as_series=False))

    expected = labeling.PandasLFApplier(functions).apply(pandas, progress_bar=False)
    assert votes.matrix.tolist() == expected.tolist()
    assert votes.faults == (0, 0, 0)


def test_the_statistics_equal_lf_analysis():
    """Coverage, overlap, conflict and polarity equal LFAnalysis to 1e-12."""
    votes = np.random.default_rng(0).integers(-1, 3, size=(500, 7)).astype(np.int8)
    summary = labeling.LFAnalysis(votes.astype(int)).lf_summary()
    table = heuristic_table(count_patterns(votes), list("abcdefg"))

    assert summary["Coverage"].to_numpy() == pytest.approx([s.coverage for s in table], abs=1e-12)
    assert summary["Overlaps"].to_numpy() == pytest.approx([s.overlap for s in table], abs=1e-12)
    assert summary["Conflicts"].to_numpy() == pytest.approx([s.conflict for s in table], abs=1e-12)
    assert [list(p) for p in summary["Polarity"]] == [list(s.polarity) for s in table]
