"""
How good are the labels: real heuristic and crowd sets, measured base rates, honest intervals.

    python -m benchmarks.label_quality            everything (about ten minutes on one core)
    python -m benchmarks.label_quality --quick    a tenth of the simulations

Test rows are read here and nowhere else; every run that reads them is appended to
`out/label_quality_runs.jsonl`. Prints a table and writes `out/label_quality.json`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.audit_simulation import audit_once, pipelines
from benchmarks.label_data import CROWD_SETS, DATA, HEURISTIC_SETS, Judged, read_crowd, read_split
from benchmarks.result import Result
from labelpress.base_rate import measure_base_rate
from labelpress.label_models import fit_label_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.audit_simulation import Audited, Labelled

OUT = Path(__file__).parent / "out"
TIE_SEEDS = 20
ANSWER_SEEDS = 10
ANSWERS = 100


def at_least(
    name: str, ours: float, peer: float, peer_name: str, least: float, unit: str = "% accuracy"
) -> Result:
    """Return a result that is met where ours is `least` or more above the peer's."""
    goal = f"at least {peer_name} {least:+g}"
    return Result(name, ours, peer, peer_name, unit, ours / peer, goal, bool(ours - peer >= least))


def accuracy(scores: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """Return the mean accuracy in % over 20 ways of breaking exact ties at random."""
    tied = scores >= scores.max(axis=1, keepdims=True) - 1e-9
    right = []
    for seed in range(TIE_SEEDS):
        lots = np.random.default_rng(seed).random(scores.shape)
        right.append(float((np.where(tied, lots, -1).argmax(axis=1) == truth).mean()))
    return 100 * float(np.mean(right))


def majority(data: Judged) -> NDArray[np.float64]:
    """Return plain vote counts; independent of the library."""
    counts = [(data.votes == label).sum(axis=1) for label in range(data.classes)]
    return np.stack(counts, axis=1).astype(np.float64)


def without_answers() -> list[Result]:
    """Fit on train votes only and score on test."""
    results, gains = [], []
    for name in HEURISTIC_SETS:
        train, test = read_split(name, "train"), read_split(name, "test")
        model = fit_label_model(train.votes, train.classes)
        ours = accuracy(model.predict_proba(test.votes), test.truth)
        plain = accuracy(majority(test), test.truth)
        gains.append((ours, plain))
        results.append(at_least(f"{name}, no answers, test", ours, plain, "majority", -0.5))
    ours, plain = np.mean(gains, axis=0)
    results.append(at_least("mean of three, no answers, test", ours, plain, "majority", 1.5))
    return results


def with_answers() -> list[Result]:
    """Fit on train votes and 100 uniform answers; score on test and on unanswered train rows."""
    results: list[Result] = []
    tests, rests = [], []
    for name in HEURISTIC_SETS:
        train, test = read_split(name, "train"), read_split(name, "test")
        scores = []
        for seed in range(ANSWER_SEEDS):
            rows = np.random.default_rng(seed).choice(len(train.truth), ANSWERS, replace=False)
            answers = np.full(len(train.truth), -1)
            answers[rows] = train.truth[rows]
            model = fit_label_model(
                train.votes, train.classes, answers=answers, audit=answers >= 0, seed=seed
            )
            left = answers < 0
            rest = Judged(train.votes[left], train.truth[left], train.classes)
            scores.append(
                (
                    accuracy(model.predict_proba(test.votes), test.truth),
                    accuracy(majority(test), test.truth),
                    accuracy(model.predict_proba(rest.votes), rest.truth),
                    accuracy(majority(rest), rest.truth),
                )
            )
        ours, plain, ours_rest, plain_rest = np.mean(scores, axis=0)
        tests.append((ours, plain))
        rests.append((ours_rest, plain_rest))
        results += [
            at_least(f"{name}, 100 answers, test", ours, plain, "majority", -0.5),
            at_least(
                f"{name}, 100 answers, train rows not answered",
                ours_rest,
                plain_rest,
                "majority",
                2,
            ),
        ]
    ours, plain = np.mean(tests, axis=0)
    results.append(at_least("mean of three, 100 answers, test", ours, plain, "majority", 3.5))
    ours, plain = np.mean(rests, axis=0)
    results.append(
        at_least(
            "mean of three, 100 answers, train rows not answered", ours, plain, "majority", 5.5
        )
    )
    return results


def crowds() -> list[Result]:
    """Score Dawid-Skene with abstain missing on the crowd sets."""
    least = {"bluebird": 88.0, "rte": 92.5, "web": 82.0, "d_jn-product": 93.5}
    results = []
    for name in CROWD_SETS:
        data = read_crowd(name)
        known = data.truth >= 0
        model = fit_label_model(data.votes, data.classes, model="dawid-skene")
        ours = accuracy(model.predict_proba(data.votes[known]), data.truth[known])
        plain = accuracy(
            majority(Judged(data.votes[known], data.truth[known], data.classes)), data.truth[known]
        )
        results.append(
            Result(
                f"{name}, crowd",
                ours,
                plain,
                "majority",
                "% accuracy",
                ours / plain,
                f"at least {least[name]:g}",
                bool(ours >= least[name]),
            )
        )
    return results


def f1(probability: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """Return the F1 of class 1."""
    called = probability.argmax(axis=1)
    return float(2 * (called & truth).sum() / max(1, called.sum() + truth.sum()))


def rare_positives(seeds: int) -> list[Result]:
    """Compare F1 under a base rate measured from 200 audits with F1 under the true one."""
    results = []
    for kind in ("positives-only", "5 % positives"):
        scores = []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            votes, truth = _rare(rng, kind)
            answers = np.full(len(truth), -1)
            rows = rng.choice(len(truth), 200, replace=False)
            answers[rows] = truth[rows]
            audit = answers >= 0
            labels = truth[rows]
            cohorts = np.full(200, "all")
            measured = measure_base_rate(labels, cohorts, {"all": len(truth)}, 2, None).mean
            true = np.array([1 - truth.mean(), truth.mean()])
            taught = {"answers": answers, "audit": audit, "seed": seed}
            scores.append(
                [
                    f1(model.predict_proba(votes), truth)
                    for model in (
                        fit_label_model(votes, 2, **taught),
                        fit_label_model(votes, 2, base_rate=true, **taught),
                        fit_label_model(votes, 2, base_rate=measured),
                        fit_label_model(votes, 2, base_rate=true),
                        fit_label_model(votes, 2),
                    )
                ]
            )
        mean = np.mean(scores, axis=0)
        for what, ours, peer in (
            ("200 audits teach", mean[0], mean[1]),
            ("200 audits give the base rate only", mean[2], mean[3]),
        ):
            name = f"{kind}, {what}"
            results.append(at_least(name, ours, peer, "true base rate", -0.03, "F1"))
        results.append(
            at_least(f"{kind}, base rate against none", mean[2], mean[4], "no base rate", 0, "F1")
        )
    return results


def _rare(rng: np.random.Generator, kind: str) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Draw 20,000 rows, 5 % of them positive, and ten heuristics."""
    truth = (rng.random(20_000) < 0.05).astype(np.int64)
    shape = (len(truth), 10)
    if kind == "positives-only":
        hit, false = rng.uniform(0.3, 0.7, 10), rng.uniform(0.01, 0.06, 10)
        fires = rng.random(shape) < np.where(truth[:, None] == 1, hit, false)
        return np.where(fires, 1, -1).astype(np.int8), truth
    right, coverage = rng.uniform(0.7, 0.9, 10), rng.uniform(0.2, 0.6, 10)
    cast = np.where(rng.random(shape) < right, truth[:, None], 1 - truth[:, None])
    return np.where(rng.random(shape) < coverage, cast, -1).astype(np.int8), truth


def intervals(audits: int, number: int) -> list[Result]:
    """
    Certify simulated label sets again and again, and count how often the truth is inside.

    Once all 200 audit answers are reserved; once 30 % of all asks are, as by default, which leaves
    92 of 200 (`reserved_share` of the budget certifies, half of the rest audits and teaches). Peer
    are the answers that taught: what Wilson's interval on them would have claimed.
    """
    results: list[Result] = []
    sets = {target: list(pipelines(target, number)) for target in (0.7, 0.9, 0.98)}
    for answered in (200, 92):
        everything: list[Audited] = []
        for target, labelled in sets.items():
            audited = [
                audit_once(np.random.default_rng([place, again, answered]), one, answered)
                for place, one in enumerate(labelled)
                for again in range(audits // number)
            ]
            everything += audited
            results += _coverage(audited, labelled, f"{answered} reserved audits", target)
        results += _widths(everything, f"{answered} reserved audits, width")
    return results


def _coverage(
    audited: Sequence[Audited], labelled: Sequence[Labelled], name: str, target: float
) -> list[Result]:
    """Return how often intervals hold the truth, and how far the estimates are off on average."""
    held = 100 * float(np.mean([one.low <= one.truth <= one.high for one in audited]))
    bias = 100 * abs(float(np.mean([one.estimate - one.truth for one in audited])))
    most = 99 if target == 0.98 else 97
    results = []
    for uniform_only, peer_name in ((True, "uniform answers that taught"), (False, "all that did")):
        taught = [one.taught_interval(uniform_only=uniform_only) for one in labelled]
        pairs = list(zip(taught, [one.truth for one in labelled], strict=True))
        peer = 100 * float(np.mean([low <= true <= high for (_, low, high), true in pairs]))
        peer_bias = 100 * abs(float(np.mean([share - true for (share, *_), true in pairs])))
        if uniform_only:
            results.append(
                Result(
                    f"{name}, accuracy {target}, 95 % interval holds the truth",
                    held,
                    peer,
                    peer_name,
                    "% of audits",
                    held / peer,
                    f"93 to {most}",
                    bool(93 <= held <= most),
                )
            )
        results.append(
            Result(
                f"{name}, accuracy {target}, estimate off by",
                bias,
                peer_bias,
                peer_name,
                "points",
                bias / peer_bias,
                "less than from the answers that taught",
                bool(bias < peer_bias),
            )
        )
    return results


def _widths(audited: Sequence[Audited], name: str) -> list[Result]:
    """Return how wide the intervals are against Wilson's on the same audits."""
    widths = np.array([one.against_wilson for one in audited])
    telling = np.array([one.explained >= 0.3 for one in audited])
    return [
        _at_most(f"{name}, widest of {len(widths)}", float(widths.max()), 1.02),
        _at_most(f"{name}, median", float(np.median(widths)), 0.94),
        _at_most(
            f"{name}, median of {telling.sum()} where R2 >= 0.30",
            float(np.median(widths[telling])) if telling.any() else float("inf"),
            0.85,
        ),
    ]


def _at_most(name: str, ours: float, most: float) -> Result:
    """Return a result on a width relative to Wilson's."""
    return Result(name, ours, 1.0, "Wilson", "width", ours, f"at most {most:g}", bool(ours <= most))


def show(results: Sequence[Result]) -> None:
    """Print the table."""
    for line in results:
        mark = "met   " if line.met else "MISSED"
        print(
            f"{mark} {line.name:<62} {line.ours:8.3f} {line.unit:<12} "
            f"{line.peer_name} {line.peer:.3f}; {line.goal}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the simulations")
    quick = parser.parse_args().quick
    OUT.mkdir(exist_ok=True)
    results: list[Result] = []
    if DATA.exists():
        results += without_answers() + with_answers() + crowds()
        show(results)
        figures = {line.name: round(line.ours, 3) for line in results}
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        with (OUT / "label_quality_runs.jsonl").open("a") as log:
            log.write(json.dumps({"read_test_at": now, "figures": figures}) + "\n")
    else:
        print(f"SKIPPED the real sets: {DATA} is missing")
    simulated = rare_positives(2 if quick else 20)
    simulated += intervals(100 if quick else 1000, 10 if quick else 50)
    show(simulated)
    results += simulated
    report = {"results": [asdict(line) for line in results]}
    (OUT / "label_quality.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
