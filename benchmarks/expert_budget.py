"""
What a budget of expert answers buys: the whole loop, simulated on real heuristic sets.

    python -m benchmarks.expert_budget            everything (some 50 minutes on two cores)
    python -m benchmarks.expert_budget --mixed    mixed asking alone; the rest as written down
    python -m benchmarks.expert_budget --valid    one seed, judged on the validation rows; a trial

Each figure is the mean of five seeds of `labelpress.simulation.replay`, the code behind `labelpress
simulate`, on projects whose heuristics are the sets' stored votes. The first table asks uniformly
and reserves nothing; what the default reserve costs, and what mixed asking gains or costs, stands
below it. Test rows are read here alone, and every run that reads them is appended to
`out/expert_budget_runs.jsonl`. Writes `out/expert_budget.json`, anew after each case.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import sys
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from benchmarks.expert_sets import read_frame, read_news, write_project
from benchmarks.label_data import DATA, HEURISTIC_SETS
from benchmarks.result import Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import polars as pl

OUT: Final = Path(__file__).parent / "out"
BUDGETS: Final = (50, 100, 200, 500)
MORE: Final = (1000, 2000, 4000)
"""Further budgets of answers alone, to find how many of them our 100 are worth."""
SEEDS: Final = range(5)
UNIFORM: Final = "split = { audit = 1.0 }"
GOALS: Final = {
    ("youtube", False): (93.5, 93.5, 93.0, 93.0),
    ("trec", False): (68.0, 69.0, 73.5, 79.5),
    ("semeval", False): (78.0, 79.5, 81.0, 82.3),
    ("semeval", True): (82.0, 83.5, 85.0, 85.8),
}
WORTH: Final = 4.0
"""How many uniformly drawn answers alone one of our 100 must be worth, geometric mean."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way of asking on one set."""

    name: str
    votes: bool = False
    reserved: float = 0.0
    split: str = UNIFORM
    class_weight: Literal["none", "balanced"] = "none"


NEWS: Final = Case("news")
NEWS_MIXED: Final = Case("news", split="")
RARE: Final = Case("news", class_weight="balanced")
"""As a project is set up to which its rare class matters; without, thresholds hide what is won."""
RARE_MIXED: Final = Case("news", split="", class_weight="balanced")

Scores = dict[str, list[float]]
"""Per model, heuristics_only and answers_only: accuracy in % by budget; with `_f1` the F1."""


def frames(name: str, judged: str, seed: int) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    """Return train rows, rows to judge by, and class names."""
    if name == "news":
        train, test = read_news(seed)
        return train, test, ["c0", "c1"]
    train, classes = read_frame(name, "train")
    split = "valid" if judged == "valid" else "test"
    return train, read_frame(name, split)[0], classes


def play(case: Case, seed: int, judged: str) -> Scores:
    """Simulate one case with one seed."""
    from labelpress.cluster import open_cluster  # noqa: PLC0415
    from labelpress.project import read_project  # noqa: PLC0415
    from labelpress.simulation import replay  # noqa: PLC0415

    warnings.simplefilter("ignore")
    train, test, classes = frames(case.name, judged, seed)
    portions = np.diff(BUDGETS, prepend=0).tolist()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / case.name
        write_project(
            folder,
            case.name,
            train,
            test,
            classes,
            votes=case.votes,
            reserved=case.reserved,
            split=case.split,
            class_weight=case.class_weight,
        )
        with open_cluster(processes=False, workers=1) as cluster:
            rounds = replay(read_project(str(folder)), cluster, portions, seed=seed)
    found: Scores = {}
    for done in rounds:
        for control in ("model", "heuristics_only", "answers_only"):
            score = getattr(done, control)
            # None where there was nothing to learn from, such as answers of one class only.
            for measure, value in (("", score.accuracy), ("_f1", score.f1)):
                share = float("nan") if value is None else 100 * value
                found.setdefault(f"{control}{measure}", []).append(share)
    return found


def answers_alone(name: str, count: int, seed: int, judged: str) -> float:
    """Return the accuracy in % of the same end model on so many uniform answers alone."""
    from labelpress.end_model.evaluation import evaluate  # noqa: PLC0415
    from labelpress.end_model.settings import EndModelSettings, Features  # noqa: PLC0415
    from labelpress.end_model.training import fit  # noqa: PLC0415

    train, test, classes = frames(name, judged, seed)
    gold = train["gold"].replace_strict(classes, range(len(classes))).to_numpy().astype(np.int64)
    shown = np.random.default_rng(seed).permutation(train.height)[:count]
    answers = np.full(train.height, -1)
    answers[shown] = gold[shown]
    settings = EndModelSettings(features=Features(text=("text",)), mix="answers")
    nothing = np.zeros((train.height, len(classes)))
    model = fit(train, nothing, answers=answers, classes=classes, settings=settings, seed=seed)
    truth = test["gold"].replace_strict(classes, range(len(classes))).to_numpy().astype(np.int64)
    return 100 * evaluate(model.predict_proba(test), truth, "").accuracy


def worth(target: float, measured: Mapping[int, float]) -> tuple[float, bool]:
    """Return how many answers alone reach `target`, linear between budgets, and whether capped."""
    budgets = sorted(measured)
    if measured[budgets[0]] >= target:
        return float(budgets[0]), False
    for low, high in pairwise(budgets):
        if measured[low] < target <= measured[high]:
            share = (target - measured[low]) / (measured[high] - measured[low])
            return low + share * (high - low), False
    return float(budgets[-1]), True


def at_least(
    name: str, ours: float, peer: float, peer_name: str, goal: str, least: float, unit: str = "%"
) -> Result:
    """Return a line that is met where ours reaches `least`."""
    return Result(name, ours, peer, peer_name, unit, ours / peer, goal, bool(ours >= least))


def main_table(played: Mapping[Case, Scores]) -> list[Result]:
    """Compare with the goals and with both controls."""
    lines = []
    for (name, votes), goals in GOALS.items():
        scores = played[Case(name, votes)]
        seen = " with votes" if votes else ""
        for place, (budget, goal) in enumerate(zip(BUDGETS, goals, strict=True)):
            at = f"{name}{seen}, {budget} answers"
            ours = scores["model"][place]
            alone = scores["answers_only"][place]
            lines.append(at_least(at, ours, alone, "answers only", f">= {goal:g}", goal))
            control = float(np.nanmax([alone, scores["heuristics_only"][place]]))
            lines.append(
                at_least(
                    f"{at}: controls", ours, control, "better control", ">= peer -1", control - 1
                )
            )
    return lines


def reserve_lines(played: Mapping[Case, Scores]) -> list[Result]:
    """Say what the default reserve costs; it has no goal, so `met` is whether it costs nothing."""
    lines = []
    for name in HEURISTIC_SETS:
        kept, all_taught = played[Case(name, reserved=0.3)], played[Case(name)]
        for place, budget in enumerate(BUDGETS):
            at = f"{name}, {budget} answers, 0.3 of them reserved"
            ours, peer = kept["model"][place], all_taught["model"][place]
            lines.append(at_least(at, ours, peer, "none reserved", "report", 0.0))
    return lines


def mixed_lines(played: Mapping[Case, Scores]) -> list[Result]:
    """Compare mixed with uniform asking: it must help with a rare class and cost little else."""
    compared = [
        ("5 % class, balanced weights", RARE_MIXED, RARE, "model_f1", "% F1", 0),
        ("5 % class, no class weights", NEWS_MIXED, NEWS, "model_f1", "% F1", 0),
        *((n, Case(n, split=""), Case(n), "model", "%", 1) for n in HEURISTIC_SETS),
    ]
    lines = []
    for name, mixed, uniform, measure, unit, cost in compared:
        for place, budget in list(enumerate(BUDGETS))[1:]:
            ours, peer = (played[case][measure][place] for case in (mixed, uniform))
            at = f"{name}, {budget} answers, mixed asking"
            goal = f">= peer -{cost}" if cost else ">= peer"
            lines.append(at_least(at, ours, peer, "uniform asking", goal, peer - cost, unit))
    return lines


def worth_lines(
    played: Mapping[Case, Scores], alone: Mapping[str, Mapping[int, float]]
) -> list[Result]:
    """Say how many uniform answers alone our 100 are worth."""
    lines, ratios = [], []
    for name in HEURISTIC_SETS:
        needed, capped = worth(played[Case(name)]["model"][BUDGETS.index(100)], alone[name])
        mark = ">= " if capped else ""
        at = f"{name}: answers alone that reach our 100 ({mark}{needed:.0f})"
        lines.append(at_least(at, needed, 100.0, "our answers", "report", 0.0, "answers"))
        ratios.append(needed / 100)
    mean = float(np.exp(np.mean(np.log(ratios))))
    at = "answers alone per answer of ours, geometric mean"
    lines.append(at_least(at, mean, 1.0, "ours", f">= {WORTH:g}", WORTH, "x"))
    return lines


def average(found: Iterable[Scores]) -> Scores:
    """Average over seeds."""
    scores = list(found)
    return {key: np.mean([one[key] for one in scores], axis=0).tolist() for key in scores[0]}


def show(lines: Sequence[Result]) -> None:
    """Print the table."""
    print(f"{'work':58} {'ours':>8} {'peer':>8} {'peer is':15} {'goal':>11}  met")
    for line in lines:
        print(
            f"{line.name:58} {line.ours:>8.2f} {line.peer:>8.2f} {line.peer_name:15} "
            f"{line.goal:>11}  {'yes' if line.met else 'NO'}"
        )


def known(values: Sequence[float]) -> list[float | None]:
    """Return None in place of NaN, which JSON does not know."""
    return [None if math.isnan(value) else value for value in values]


@dataclass(frozen=True, slots=True)
class Seen:
    """What has been played until now."""

    played: dict[Case, Scores]
    alone: dict[str, dict[int, float]]
    """Accuracy in % of answers alone, by set and budget."""

    def write(self, path: Path, lines: Sequence[Result] = ()) -> None:
        """Write it beside the lines that judge it."""
        found = {
            "results": [asdict(line) for line in lines],
            "played": [
                {**asdict(case), **{key: known(values) for key, values in scores.items()}}
                for case, scores in self.played.items()
            ],
            "answers_alone": self.alone,
        }
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(found, indent=2, allow_nan=False) + "\n")

    @staticmethod
    def read(path: Path) -> Seen:
        """Read what `write` wrote."""
        found = json.loads(path.read_text())
        names = [field.name for field in fields(Case)]
        played = {
            Case(**{name: one.pop(name) for name in names if name in one}): one
            for one in found["played"]
        }
        for scores in played.values():
            for values in scores.values():
                values[:] = [math.nan if value is None else value for value in values]
        alone = {
            name: {int(count): score for count, score in measured.items()}
            for name, measured in found["answers_alone"].items()
        }
        return Seen(played, alone)


def main() -> None:
    """Play all cases in two processes, print the table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--valid", action="store_true", help="one seed, judged on valid")
    parser.add_argument("--mixed", action="store_true", help="mixed asking alone")
    options = parser.parse_args()
    if not DATA.exists():
        print(f"skipped: the heuristic sets are not beside the project ({DATA.name}/ is missing)")
        return
    judged = "valid" if options.valid else "test"
    seeds = range(1) if options.valid else SEEDS
    out = Path(os.devnull) if options.valid else OUT / "expert_budget.json"
    mixed = [*(Case(name, split="") for name in HEURISTIC_SETS), NEWS_MIXED, RARE_MIXED]
    cases = [*(Case(name, votes) for name, votes in GOALS), NEWS, RARE]
    cases += [Case(name, reserved=0.3) for name in HEURISTIC_SETS]
    seen = Seen.read(out) if options.mixed else Seen({}, {})
    cases, sets = (mixed, ()) if options.mixed else ([*cases, *mixed], HEURISTIC_SETS)
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS"), "1"))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        tasks = {case: [pool.submit(play, case, seed, judged) for seed in seeds] for case in cases}
        tried = {
            name: {
                count: [pool.submit(answers_alone, name, count, seed, judged) for seed in seeds]
                for count in budgets_of(name)
            }
            for name in sets
        }
        for case, playing in tasks.items():
            seen.played[case] = average(task.result() for task in playing)
            said = " ".join(f"{score:.1f}" for score in seen.played[case]["model"])
            print(f"{case}: {said}", file=sys.stderr, flush=True)
            seen.write(out)
        for name, counts in tried.items():
            seen.alone[name] = {
                count: float(np.mean([task.result() for task in learning]))
                for count, learning in counts.items()
            }
            seen.write(out)
    lines = [
        *main_table(seen.played),
        *worth_lines(seen.played, seen.alone),
        *mixed_lines(seen.played),
        *reserve_lines(seen.played),
    ]
    show(lines)
    seen.write(out, lines)
    if options.valid:
        return
    with (OUT / "expert_budget_runs.jsonl").open("a") as log:
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        missed = [line.name for line in lines if not line.met]
        log.write(json.dumps({"when": now, "seeds": len(seeds), "missed": missed}) + "\n")


def budgets_of(name: str) -> list[int]:
    """Return the budgets of answers alone: those of the table, some more, and all rows."""
    rows = frames(name, "valid", 0)[0].height
    return [*BUDGETS, *(count for count in MORE if count < rows), rows]


if __name__ == "__main__":
    main()
