"""
Heuristics: casting against Snorkel, reuse and memory against our own full run.

    python -m benchmarks.heuristics            (some 15 minutes)
    python -m benchmarks.heuristics --snorkel  (only the comparison with Snorkel)
    python -m benchmarks.heuristics --stage    (only the vote stage)

Snorkel lives in an environment of its own, `.venv-peers`, which the first run builds; both sides
run in it, in one process, on the same rows, and must give the same votes. Prints a table and
writes benchmarks/out/heuristics.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers"
OUT = Path(__file__).parent / "out" / "heuristics.json"
OURS = ("numpy", "polars", "pyarrow", "ahocorasick_rs")
"""What casting needs, installed beside the peer in the versions used here."""


def peer_python() -> str:
    """Return the interpreter of the peers' environment, building it on first use."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        print(f"building {PEERS.name} (a few minutes) ...", flush=True)
        venv.create(PEERS, with_pip=True)
    wanted = ["torch==2.13.0", "snorkel==0.10.0"]
    wanted += [f"{name}=={metadata.version(name)}" for name in OURS]
    done = PEERS / "heuristics.txt"
    if not done.exists() or done.read_text() != "\n".join(wanted):
        # torch first: snorkel alone would pull a build for GPUs
        for packages in (wanted[:1], wanted[1:]):
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        done.write_text("\n".join(wanted))
    return str(python)


def in_process(python: str, option: str) -> list[dict[str, Any]]:
    """Measure one side of this benchmark in a process of its own, on one thread."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        **dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS"), "1"),
    }
    done = subprocess.run(
        [python, "-W", "ignore", "-m", "benchmarks.heuristics", "--measure", option],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    results: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return results


def measure(option: str) -> list[dict[str, Any]]:
    """Measure in this process; each side's module can be imported in its environment only."""
    if option == "--snorkel":
        from benchmarks import snorkel_casting  # noqa: PLC0415

        return snorkel_casting.measure()
    from benchmarks import vote_stage  # noqa: PLC0415

    return vote_stage.measure()


def main() -> None:
    """Measure what the options ask for, print a table and write the figures."""
    options = [option for option in sys.argv[1:] if option != "--measure"]
    if "--measure" in sys.argv:
        print(json.dumps(measure(options[0])))
        return
    results = []
    for option, python in (("--snorkel", peer_python), ("--stage", lambda: sys.executable)):
        if not options or option in options:
            results += in_process(python(), option)
    print(f"{'work':44} {'ours':>10} {'peer':>10} {'unit':8} {'ratio':>9} {'goal':>8}  met")
    for row in results:
        print(
            f"{row['name']:44} {row['ours']:>10,.5g} {row['peer']:>10,.5g} {row['unit']:8} "
            f"{row['ratio']:>9,.4g} {row['goal']:>8}  {'yes' if row['met'] else 'NO'}"
        )
    if not options:
        OUT.parent.mkdir(exist_ok=True)
        OUT.write_text(json.dumps({"results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
