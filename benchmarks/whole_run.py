"""
Whole runs of the flow on synthetic tickets: does the cost per row stay, and what does the flow add?

    python -m benchmarks.whole_run                          (1, 4 and 16 million rows)
    python -m benchmarks.whole_run --rows 200000,1000000    (a trial; writes nothing)

For each size: a pilot drop is audited, then the source is labelled from nothing (`first`), then
with 1 % new rows (`second`), then with 1 % new rows and one edited heuristic (`edited`). Each is a
process of its own on two workers; the figures of a stage are those it books. Beside it the core
functions run in a plain Dask loop over the same files (plain_loop.py), up to the labels and the
rows to ask. A Prefect server runs from the start, as it would where the flows are deployed.

What a row costs is shown in four ways. Training looks at no more rows than `max_rows` in all sizes,
so a whole run costs less per row the more rows there are; so does what every run pays once. The
stages that grow with the rows are therefore shown without training, and so is what each further
million rows costs, from one size to the next. The figures are written as the sizes finish.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.own_process import measure_alone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT: Final = Path(__file__).parents[1]
OUT: Final = Path(__file__).parent / "out" / "whole_run.json"
SIZES: Final = (1_000_000, 4_000_000, 16_000_000)
NEW_SHARE, PILOT_ROWS = 0.01, 5_000
EDIT: Final = ('"price increase", "discount"', '"price increase", "discount", "cheaper"')
"""What is replaced in heuristics.py before the edited run: one more keyword in one list."""
TO_PUBLISH: Final = ("answers", "plan", "vote", "fit", "label", "gate", "publish")
AFTER: Final = ("ask", "train", "promote", "score", "record")
BY_ROWS: Final = (*TO_PUBLISH, "ask", "score", "record")
"""The stages that look at all rows; training is capped, and promoting looks at the test set."""
NOT_IN_LOOP: Final = ("train", "score")
"""What the plain loop leaves out: it ends with labels."""
MEMORY_MIB: Final = 1.5 * 1024
_QUIET: Final = {
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "POLARS_MAX_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of the flow took."""

    wall: float
    """Seconds, from the call of the flow to its return."""
    peak: float
    """MiB of the flow's own process."""
    stages: Mapping[str, Mapping[str, float]]
    """What each stage booked: wall seconds, worker CPU seconds, flow CPU seconds, worker MiB."""
    ended: str
    """Published or held, why the label model was refitted or kept, and what the gate refused."""

    def seconds(self, stages: tuple[str, ...]) -> float:
        """Return the wall seconds of some stages together."""
        return sum(self.stages[stage]["wall"] for stage in stages if stage in self.stages)


@dataclass(frozen=True, slots=True)
class Size:
    """All runs over one source."""

    rows: int
    first: Measured
    second: Measured
    edited: Measured
    plain: float
    """Seconds of the plain loop."""


def write_project(folder: Path, rows: int, train_rows: int | None) -> None:
    """Copy the example's project and write its pilot drop, test set and audits."""
    from examples.tickets.weeks import WEEKS, write_test, write_week  # noqa: PLC0415

    example = ROOT / "examples" / "tickets"
    folder.mkdir()
    for name in ("project.toml", "heuristics.py"):
        shutil.copy(example / name, folder / name)
    shutil.copytree(example / "tables", folder / "tables")
    if train_rows is not None:
        settings = folder / "project.toml"
        text = re.sub(r"max_rows = [\d_]+", f"max_rows = {train_rows}", settings.read_text())
        settings.write_text(text)
    write_test(folder)
    write_week(folder, 0, PILOT_ROWS)
    in_process("bootstrap", folder, str(WEEKS[0]))
    started = time.perf_counter()
    write_week(folder, 1, rows)
    say(f"{rows:,} tickets written in {time.perf_counter() - started:.0f} s")


def measure_size(folder: Path, rows: int, train_rows: int | None) -> Size:
    """Run the three periods and the plain loop over one source."""
    from examples.tickets.weeks import WEEKS, write_week  # noqa: PLC0415

    write_project(folder, rows, train_rows)
    runs = {}
    for name, week in (("first", 1), ("second", 2), ("edited", 3)):
        if name != "first":
            write_week(folder, week, max(int(rows * NEW_SHARE), 1))
        if name == "edited":
            module = folder / "heuristics.py"
            assert EDIT[0] in module.read_text()
            module.write_text(module.read_text().replace(*EDIT))
        runs[name] = Measured(**in_process("flow", folder, str(WEEKS[week])))
        say_run(f"{rows:,} rows, {name}", runs[name])
        if name == "first":
            plain = in_process("plain", folder, "")["wall"]
            shutil.rmtree(folder / "plain")
            say(f"{rows:,} rows, plain loop: {plain:.1f} s")
    return Size(rows=rows, plain=plain, **runs)


def in_process(what: str, folder: Path, period: str) -> dict[str, Any]:
    """Do one thing in a process of its own and return what it measured."""
    return measure_alone("whole_run", "--only", what, "--folder", str(folder), "--period", period)


def run_flow(folder: Path, period: str) -> dict[str, Any]:
    """Run the flow in this process."""
    from flows.relabel import relabel  # noqa: PLC0415
    from labelpress.manifest import folder as run_folder  # noqa: PLC0415
    from labelpress.manifest import read_manifest  # noqa: PLC0415
    from labelpress.project import read_project  # noqa: PLC0415
    from labelpress.runs import read_spend  # noqa: PLC0415
    from labelpress.store import Store  # noqa: PLC0415

    started = time.perf_counter()
    relabel(str(folder), period=period)
    wall = time.perf_counter() - started
    store = Store(read_project(str(folder)).store_uri)
    [run] = [name for name in store.files.names("runs") if name.startswith(period)][-1:]
    manifest = read_manifest(store.files, run)
    assert manifest is not None
    record = store.files.read_json(f"{run_folder(run)}/record.json")
    held = " ".join(record["held"])
    ended = f"{'held: ' + held if held else 'published'}; label model: {manifest.refit}"
    stages = {}
    for stage in (*TO_PUBLISH, *AFTER):
        spend = read_spend(store, run, stage)
        if spend is not None:
            stages[stage] = {
                "wall": spend.wall_seconds,
                "workers": spend.worker_seconds,
                "flow": spend.flow_seconds,
                "peak": spend.peak_memory_bytes / 2**20,
            }
    return {
        "wall": wall,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "stages": stages,
        "ended": ended,
    }


def run_plain(folder: Path) -> dict[str, Any]:
    """Run the plain loop in this process, with as many answers as the first run had."""
    from benchmarks import plain_loop  # noqa: PLC0415
    from labelpress.classes import Classes  # noqa: PLC0415
    from labelpress.project import read_project  # noqa: PLC0415

    settings = read_project(str(folder)).settings
    classes = Classes(settings.classes.names)
    return {"wall": plain_loop.run(folder, classes, settings.experts.budget)}


def run_bootstrap(folder: Path, period: str) -> dict[str, Any]:
    """Ask the first audits, on the pilot drop."""
    from rich.console import Console  # noqa: PLC0415

    from labelpress.cli.bootstrapping import bootstrap_project  # noqa: PLC0415

    bootstrap_project(str(folder), period, Console(stderr=True))
    return {}


def figures(sizes: list[Size]) -> list[dict[str, Any]]:
    """Compare sizes with the smallest, periods with the first, and the flow with the loop."""
    small, large = sizes[0], sizes[-1]
    results = []
    for size in sizes[1:]:
        for name, ours, peer in (
            ("whole run", per_million(size), per_million(small)),
            ("answers to publish", per_million(size, TO_PUBLISH), per_million(small, TO_PUBLISH)),
            ("with ask, score and record", per_million(size, BY_ROWS), per_million(small, BY_ROWS)),
        ):
            named, beside = f"{name}, {size.rows:,} rows", f"itself at {small.rows:,}"
            met = 0.85 <= ours / peer <= 1.15
            results.append(figure(named, ours, peer, beside, "s/million", "0.85 to 1.15", met=met))
    for size, next_, last in zip(sizes, sizes[1:], sizes[2:], strict=False):
        ours, peer = further_million(next_, last), further_million(size, next_)
        named, beside = f"further rows, to {last.rows:,}", f"to {next_.rows:,}"
        met = 0.85 <= ours / peer <= 1.15
        results.append(figure(named, ours, peer, beside, "s/million", "0.85 to 1.15", met=met))
    for size in sizes:
        at = f"{size.rows:,} rows"
        ours = size.first.wall - size.first.seconds(NOT_IN_LOOP)
        cheap = ours <= 1.05 * size.plain + 10
        goal = "<= 1.05 + 10 s"
        results.append(
            figure(f"flow to labels, {at}", ours, size.plain, "plain loop", "s", goal, met=cheap)
        )
        first = size.first.seconds(TO_PUBLISH)
        for name, run, limit in (
            ("1 % new rows", size.second, 0.10),
            ("1 % new rows, one edit", size.edited, 0.50),
        ):
            ours = run.seconds(TO_PUBLISH)
            met = ours <= limit * first
            results.append(
                figure(f"{name}, {at}", ours, first, "first", "s", f"<= {limit:.2f}", met=met)
            )
    peak = max(run.peak for run in (large.first, large.second, large.edited))
    name = f"memory of the flow, {large.rows:,} rows"
    met = peak < MEMORY_MIB
    results.append(figure(name, peak, MEMORY_MIB, "limit", "MiB", "< 1", met=met))
    return results


def per_million(size: Size, stages: tuple[str, ...] = ()) -> float:
    """Return the seconds per million rows of the first run, or of some of its stages."""
    seconds = size.first.seconds(stages) if stages else size.first.wall
    return seconds / size.rows * 1e6


def further_million(fewer: Size, more: Size) -> float:
    """Return the seconds that each million rows beyond the fewer ones costs but for training."""
    seconds = more.first.seconds(BY_ROWS) - fewer.first.seconds(BY_ROWS)
    return seconds / (more.rows - fewer.rows) * 1e6


def figure(
    name: str, ours: float, peer: float, peer_name: str, unit: str, goal: str, *, met: bool
) -> dict[str, Any]:
    """Return one figure in the form that all benchmarks write."""
    return {
        "name": name,
        "ours": ours,
        "peer": peer,
        "peer_name": peer_name,
        "unit": unit,
        "ratio": ours / peer,
        "goal": goal,
        "met": met,
    }


def stage_rows(sizes: list[Size]) -> list[dict[str, Any]]:
    """Return where the time goes: a row per size, run and stage."""
    return [
        {"rows": size.rows, "run": name, "stage": stage, **figures_}
        for size in sizes
        for name in ("first", "second", "edited")
        for stage, figures_ in getattr(size, name).stages.items()
    ]


@contextmanager
def prefect_server() -> Iterator[None]:
    """Let all flows of this benchmark share one Prefect server with a database of its own."""
    from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415

    with prefect_test_harness(server_startup_timeout=180):
        from prefect.settings import PREFECT_API_URL, PREFECT_HOME  # noqa: PLC0415

        os.environ["PREFECT_API_URL"] = str(PREFECT_API_URL.value())
        with tempfile.TemporaryDirectory() as home:
            os.environ["PREFECT_HOME"] = home or str(PREFECT_HOME.value())
            yield


def say(text: str) -> None:
    """Print progress, so that nobody waits in the dark."""
    print(text, file=sys.stderr, flush=True)


def say_run(what: str, run: Measured) -> None:
    """Print one run, stage by stage."""
    say(f"{what}: {run.wall:.1f} s, {run.peak:.0f} MiB in the flow's process; {run.ended}")
    for stage, spent in run.stages.items():
        say(
            f"    {stage:8} {spent['wall']:7.1f} s   workers {spent['workers']:7.1f} CPU s, "
            f"{spent['peak']:5.0f} MiB   flow {spent['flow']:6.1f} CPU s"
        )
    say(f"    {'rest':8} {run.wall - run.seconds((*TO_PUBLISH, *AFTER)):7.1f} s")


def show(results: list[dict[str, Any]]) -> None:
    """Print the table."""
    print(f"{'work':46} {'ours':>9} {'peer':>9} {'unit':9} {'ratio':>7} {'goal':>14}  met")
    for row in results:
        print(
            f"{row['name']:46} {row['ours']:>9,.2f} {row['peer']:>9,.2f} {row['unit']:9} "
            f"{row['ratio']:>7.3f} {row['goal']:>14}  {'yes' if row['met'] else 'NO'}"
        )


def write(sizes: list[Size]) -> None:
    """Write the figures of the sizes that are done; `sizes` says which these are."""
    OUT.parent.mkdir(exist_ok=True)
    found = {
        "results": figures(sizes),
        "sizes": [size.rows for size in sizes],
        "stages": stage_rows(sizes),
    }
    OUT.write_text(json.dumps(found, indent=2))


def main() -> None:
    """Measure the sizes asked for; write the figures where they are the full ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=",".join(map(str, SIZES)), help="sizes, with commas")
    parser.add_argument("--train-rows", type=int, help="[end_model] max_rows, for a trial")
    parser.add_argument("--work", type=Path, help="folder for the data; default: a temporary one")
    parser.add_argument("--only", choices=("flow", "plain", "bootstrap"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--period", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        work = {
            "flow": lambda: run_flow(options.folder, options.period),
            "plain": lambda: run_plain(options.folder),
            "bootstrap": lambda: run_bootstrap(options.folder, options.period),
        }
        print(json.dumps(work[options.only]()))
        return
    asked = tuple(int(rows) for rows in options.rows.split(","))
    started = time.perf_counter()
    os.environ.update(_QUIET)
    sizes = []
    with tempfile.TemporaryDirectory(dir=options.work) as place, prefect_server():
        for rows in asked:
            folder = Path(place) / f"tickets-{rows}"
            sizes.append(measure_size(folder, rows, options.train_rows))
            shutil.rmtree(folder)
            if asked == SIZES and options.train_rows is None:
                write(sizes)
            say(f"{rows:,} rows done after {time.perf_counter() - started:.0f} s")
    show(figures(sizes))


if __name__ == "__main__":
    main()
