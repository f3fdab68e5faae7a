"""The simulation replays the loop beside the project's store, with both controls."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from labelpress.cli import app
from labelpress.errors import ProjectError
from labelpress.simulation import simulate

TEST = [
    ("t1", "subscribe to this channel", 1, "spam"),
    ("t2", "her best song", 5, "ham"),
    ("t3", "money at my address", 1, "spam"),
    ("t4", "lovely verse", 4, "ham"),
]


@pytest.fixture(name="judged")
def _judged(project):
    """The small project with a test set of four rows."""
    project.write("../test.parquet", TEST)
    evaluation = '[evaluation]\ntest = "test.parquet"\n'
    project.configure("[end_model.features]", evaluation + "[end_model.features]")
    return project


def test_each_round_adds_its_share_of_the_budget(judged, cluster):
    """Six answers in two rounds are three and three; the project's own store stays untouched."""
    rounds = simulate(judged.read(), cluster, budget=6, rounds=2, seed=0)

    assert [one.answers for one in rounds] == [3, 6]
    assert rounds[0].heuristics_only == rounds[1].heuristics_only
    assert not (judged.path / "store").exists()


def test_the_same_seed_gives_the_same_figures(judged, cluster):
    """Figures can be compared only where nothing else moves them."""
    first, again = (simulate(judged.read(), cluster, budget=6, rounds=1, seed=3) for _ in range(2))

    assert first == again


def test_the_command_writes_the_figures(judged, tmp_path):
    """The file has the fields that the reference names."""
    out = tmp_path / "out.json"
    command = ["simulate", str(judged.path), "--budget", "6", "--seed", "1", "--json", str(out)]

    done = CliRunner().invoke(app, command)

    assert done.exit_code == 0, done.output
    written = json.loads(out.read_text())
    assert (written["project"], written["seed"]) == ("reviews", 1)
    (only,) = written["rounds"]
    assert set(only) == {"answers", "labels", "model", "heuristics_only", "answers_only"}
    assert set(only["labels"]) == {"accuracy", "low", "high", "coverage"}
    for scored in ("model", "heuristics_only", "answers_only"):
        assert set(only[scored]) == {"accuracy", "f1"}


def test_what_cannot_be_simulated_is_refused(project, judged, cluster):
    """Without an oracle nobody answers, and a round without an answer is none."""
    with pytest.raises(ProjectError, match="2 answers cannot be asked in 3 rounds"):
        simulate(judged.read(), cluster, budget=2, rounds=3, seed=0)
    project.configure('oracle = "gold"\n', "")
    with pytest.raises(ProjectError, match=r"names no .experts. oracle"):
        simulate(project.read(), cluster, budget=2, rounds=1, seed=0)
