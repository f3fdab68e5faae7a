"""
Label models: seconds and peak memory against Snorkel and crowd-kit, on the same matrix.

    python -m benchmarks.label_speed            (some five minutes)
    python -m benchmarks.label_speed --quick    (without the largest matrices)

Each side runs in processes of its own, on all cores, from a vote matrix in memory to the class
probabilities of its rows; importing and reading are not timed, but count as memory. The peers live
in `.venv-peers`, which the first run builds. Both sides' labels are judged by the truth that the
votes were drawn from, and ours may not be worse. Prints a table and writes
benchmarks/out/label_speed.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks.heuristics import PEERS, ROOT, peer_python
from benchmarks.peak_memory import peak_mib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

OUT = Path(__file__).parent / "out" / "label_speed.json"
CROWD_KIT = "crowd-kit==1.4.2"
EPOCHS = 100
REPEATS = 5
LIMIT_MIB = 2048.0

Side = Literal["auto", "dawid-skene", "snorkel", "crowd-kit"]


@dataclass(frozen=True, slots=True)
class Took:
    """What one side took; the best of its runs, since other work on a machine only adds."""

    seconds: float
    peak_mib: float
    accuracy: float
    """Share of all rows, by the truth that the votes were drawn from."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A vote matrix to draw: independent heuristics, 60 to 90 % right."""

    rows: int
    heuristics: int
    classes: int
    coverage: tuple[float, float]
    """The share of rows that a heuristic votes on lies between these."""

    def write(self, folder: Path) -> Path:
        """Draw the votes and the truth and write both; returns the votes' file."""
        rng = np.random.default_rng(0)
        truth = rng.integers(0, self.classes, self.rows).astype(np.int8)
        votes = np.full((self.rows, self.heuristics), -1, dtype=np.int8)
        coverage = rng.uniform(*self.coverage, self.heuristics)
        precision = rng.uniform(0.6, 0.9, self.heuristics)
        for column in range(self.heuristics):
            voted = np.flatnonzero(rng.random(self.rows) < coverage[column])
            wrong = rng.random(len(voted)) > precision[column]
            other = rng.integers(1, self.classes, len(voted))
            votes[voted, column] = (truth[voted] + wrong * other) % self.classes
        np.save(folder / "truth.npy", truth)
        np.save(folder / "votes.npy", votes)
        return folder / "votes.npy"


USUAL = Drawn(1_000_000, 20, 2, (0.05, 0.5))
"""More than half of its rows are like no other row."""
LONG = Drawn(10_000_000, 20, 2, (0.05, 0.5))
FULL = Drawn(100_000, 20, 3, (1.0, 1.0))
CROWD = Drawn(100_000, 20, 3, (0.3, 0.7))
"""Twenty workers, of whom each judged a third to two thirds of the items."""
WIDE = Drawn(100_000, 1_200, 56, (0.01, 0.1))


def predict(side: Side, votes: NDArray[np.int8], classes: int) -> tuple[float, NDArray[Any]]:
    """Fit and predict with one side; returns the seconds and the probabilities."""
    match side:
        case "snorkel":
            from snorkel.labeling.model import LabelModel  # noqa: PLC0415  # only with the peers

            started = time.perf_counter()
            snorkel = LabelModel(cardinality=classes, verbose=False)
            snorkel.fit(votes, n_epochs=EPOCHS, seed=0, progress_bar=False)
            probability = snorkel.predict_proba(votes)
        case "crowd-kit":
            import pandas as pd  # noqa: PLC0415  # only with the peers
            from crowdkit.aggregation import DawidSkene  # noqa: PLC0415

            items, workers = np.nonzero(votes >= 0)
            labels = votes[items, workers]
            answers = pd.DataFrame({"task": items, "worker": workers, "label": labels})
            started = time.perf_counter()
            judged = DawidSkene(n_iter=EPOCHS).fit_predict_proba(answers)
            # an item that nobody judged is in no row of theirs
            probability = judged.reindex(range(len(votes)), fill_value=0).to_numpy()
        case "auto" | "dawid-skene":
            from labelpress import fit_label_model  # noqa: PLC0415  # not with the peers

            started = time.perf_counter()
            probability = fit_label_model(votes, classes, model=side).predict_proba(votes)
    return time.perf_counter() - started, probability


def run_side(side: Side, file: Path, classes: int) -> dict[str, float]:
    """Measure one side in this process."""
    seconds, probability = predict(side, np.load(file), classes)
    peak = peak_mib()
    labels = np.asarray(probability).argmax(axis=1)
    accuracy = float((labels == np.load(file.with_name("truth.npy"))).mean())
    return {"seconds": seconds, "peak_mib": peak, "accuracy": accuracy}


def measure(side: Side, file: Path, classes: int, repeats: int = REPEATS) -> Took:
    """Measure one side in processes of its own."""
    python = sys.executable if side in {"auto", "dawid-skene"} else peers_python()
    arguments = ("--side", side, str(file), str(classes))
    runs = [in_process(python, *arguments) for _ in range(repeats)]
    return Took(*(min(run[key] for run in runs) for key in Took.__slots__))


def in_process(python: str, *arguments: str) -> dict[str, float]:
    """Run this benchmark in another process, and return what it prints last."""
    done = subprocess.run(
        [python, "-W", "ignore", "-m", "benchmarks.label_speed", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def peers_python() -> str:
    """Return the interpreter of the peers' environment, with crowd-kit."""
    python, done = peer_python(), PEERS / "label_speed.txt"
    if not done.exists() or done.read_text() != CROWD_KIT:
        subprocess.run([python, "-m", "pip", "install", "--quiet", CROWD_KIT], check=True)
        done.write_text(CROWD_KIT)
    return python


def at_least(
    name: str, ours: float, peer: float, peer_name: str, unit: str, goal: float
) -> dict[str, Any]:
    """Return one figure in the form that all benchmarks write; `ratio` is peer over ours."""
    ratio = peer / ours
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "peer_name": peer_name,
        "unit": unit,
        "ratio": ratio,
        "goal": goal,
        "met": ratio >= goal,
    }


def against_snorkel(folder: Path) -> list[dict[str, Any]]:
    """Compare the default with Snorkel's label model."""
    file, name = USUAL.write(folder), "1 million rows, 20 heuristics, 2 classes"
    ours, peer = (measure(side, file, USUAL.classes) for side in ("auto", "snorkel"))
    assert ours.accuracy >= peer.accuracy - 0.005, f"{name}: {ours} is worse than {peer}"
    peers = "snorkel LabelModel"
    return [
        at_least(f"{name}: fit and predict", ours.seconds, peer.seconds, peers, "s", 8),
        at_least(f"{name}: peak memory", ours.peak_mib, peer.peak_mib, peers, "MiB", 3),
    ]


def against_crowd_kit(folder: Path) -> list[dict[str, Any]]:
    """Compare Dawid-Skene with abstain missing: on a full matrix, and with half of it missing."""
    results = []
    for drawn, judged in ((FULL, "all"), (CROWD, "half")):
        file = drawn.write(folder)
        name = f"100,000 items, 20 workers of whom {judged} judged each, 3 classes"
        ours, peer = (measure(side, file, drawn.classes) for side in ("dawid-skene", "crowd-kit"))
        assert ours.accuracy >= peer.accuracy - 0.005, f"{name}: {ours} is worse than {peer}"
        work = f"{name}: fit and predict"
        results.append(at_least(work, ours.seconds, peer.seconds, "crowd-kit DawidSkene", "s", 20))
    return results


def within_limit(folder: Path) -> list[dict[str, Any]]:
    """Fit and predict the largest matrices, on which Snorkel needs 11 and 36 GB."""
    results = []
    for drawn, work in (
        (LONG, "10 million rows, 20 heuristics, 2 classes"),
        (WIDE, "100,000 rows, 1,200 heuristics, 56 classes"),
    ):
        took = measure("auto", drawn.write(folder), drawn.classes, repeats=1)
        print(f"{work}: {took.seconds:.1f} s, {took.accuracy:.1%} right", flush=True)
        name = f"{work}: peak memory"
        results.append(at_least(name, took.peak_mib, LIMIT_MIB, "limit", "MiB", 1))
    return results


def on_the_workers(folder: Path) -> list[dict[str, Any]]:
    """Compare the flow's process where patterns stay with the workers and where it holds them."""
    from benchmarks.driver_memory import write_project  # noqa: PLC0415  # not with the peers

    added: dict[tuple[int, bool], float] = {}
    for rows in (1_000_000, 4_000_000):
        root = folder / f"rows-{rows}"
        root.mkdir()
        drawn = Drawn(rows, USUAL.heuristics, USUAL.classes, USUAL.coverage)
        write_project(root, np.load(drawn.write(root)))
        for most in (0, 10**9):
            took = in_process(sys.executable, "--driver", str(root), str(most))
            where = "in the flow's process" if took["held"] else "on the workers"
            print(
                f"{rows:,} rows, summed {where}: {took['seconds']:.1f} s, flow's process "
                f"{took['peak_mib']:.0f} MiB, of which {took['before_mib']:.0f} before",
                flush=True,
            )
            added[rows, bool(took["held"])] = took["peak_mib"]
    small, large = added[1_000_000, False], added[4_000_000, False]
    name = "flow's process, 4 million rows: peak memory"
    return [
        at_least(name, large, added[4_000_000, True], "patterns in memory", "MiB", 1.5),
        at_least(f"{name} against 1 million", large, small, "itself at 1 million", "MiB", 0.9),
    ]


def main(arguments: Sequence[str]) -> None:
    """Measure everything, print a table and write the figures."""
    if "--side" in arguments:
        side, file, classes = arguments[1:]
        print(json.dumps(run_side(side, Path(file), int(classes))))  # type: ignore[arg-type]  # our own
        return
    if "--driver" in arguments:
        from benchmarks.driver_memory import run_stages  # noqa: PLC0415  # not with the peers

        print(json.dumps(run_stages(Path(arguments[1]), int(arguments[2]))))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results = against_snorkel(folder) + against_crowd_kit(folder)
        if "--quick" not in arguments:
            results += within_limit(folder) + on_the_workers(folder)
    print(f"{'work':60} {'ours':>9} {'peer':>9} {'unit':5} {'ratio':>7} {'goal':>5}  met")
    for row in results:
        print(
            f"{row['name']:60} {row['ours']:>9,.3f} {row['peer']:>9,.3f} {row['unit']:5} "
            f"{row['ratio']:>6.1f}x {row['goal']:>4}x  {'yes' if row['met'] else 'NO'}"
        )
    if "--quick" not in arguments:
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps({"results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
