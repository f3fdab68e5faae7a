"""The race: what it shows, and when it has a say in the average."""

from __future__ import annotations

import numpy as np

from labelpress import fit_label_model
from labelpress.label_models import Answered, fit_patterns
from labelpress.votes import count_patterns


def _rare(seed):
    """Ten heuristics for both classes on 20,000 rows of which one in twenty is positive."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(20_000) < 0.05).astype(np.int64)
    right, coverage = rng.uniform(0.7, 0.9, 10), rng.uniform(0.2, 0.6, 10)
    shape = (len(truth), 10)
    cast = np.where(rng.random(shape) < right, truth[:, None], 1 - truth[:, None])
    votes = np.where(rng.random(shape) < coverage, cast, -1).astype(np.int8)
    answers = np.full(len(truth), -1)
    asked = rng.choice(len(truth), 200, replace=False)
    answers[asked] = truth[asked]
    return votes, answers


def test_a_member_that_knows_no_more_than_the_base_rate_has_no_say():
    """It would pull every rare row towards the common class."""
    votes, answers = _rare(51)

    diagnostics = fit_label_model(votes, 2, answers=answers, audit=answers >= 0).diagnostics

    race = {line["name"]: line for line in diagnostics["race"]}
    idle = {name for name, line in race.items() if "no say in the average" in line["verdict"]}
    assert idle
    assert idle.isdisjoint(diagnostics["members"])
    assert sum(diagnostics["members"].values()) == 1
    base = race["base-rate"]["log_loss"]
    for name in idle:
        assert race[name]["log_loss"] > base - race[name]["standard_error"]
    for name in diagnostics["members"]:
        assert race[name]["log_loss"] < base


def test_where_nobody_beats_the_base_rate_nobody_is_left_out():
    """Votes that say nothing are no reason to trust one member more than another."""
    rng = np.random.default_rng(0)
    votes = rng.integers(-1, 2, (500, 5)).astype(np.int8)
    answers = np.where(np.arange(500) < 100, rng.integers(0, 2, 500), -1)

    diagnostics = fit_label_model(votes, 2, answers=answers, audit=answers >= 0).diagnostics

    assert len(diagnostics["members"]) == 3
    assert {line["verdict"] for line in diagnostics["race"]} == {"races"}


def test_what_is_only_shown_does_not_change_the_rule():
    """Without the lines that are shown for comparison the same probabilities come out."""
    votes, answers = _rare(51)
    asked = answers >= 0
    answered = Answered(votes[asked], answers[asked], np.full(200, 0.01), np.full(200, True))
    patterns = count_patterns(votes)

    models = [
        fit_patterns(
            patterns, answered, classes=2, base_rate=None, heuristics=[*"abcdefghij"], shown=shown
        )
        for shown in (True, False)
    ]

    full, brief = (model.predict_proba(patterns.votes) for model in models)
    assert full.tolist() == brief.tolist()
    lines = [{line["name"] for line in model.diagnostics["race"]} for model in models]
    assert lines[0] - lines[1] == {"lift", "majority", "dawid-skene-symbol", "majority-ties"}
