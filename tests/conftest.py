"""What all tests share: skipping what needs more than pip, a small project, and one cluster."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from pathlib import Path
from string import ascii_letters
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import hypothesis
import polars as pl
import pytest

from labelpress import tracking
from labelpress.cluster import Cluster, open_cluster
from labelpress.project import read_project
from labelpress.row_hash import hash_rows, hash_texts
from labelpress.runs import open_run
from labelpress.stages.answers import freeze_answers
from labelpress.stages.ask import put_asks
from labelpress.stages.fit import fit_labels
from labelpress.stages.gate import judge_candidate
from labelpress.stages.label import write_labels
from labelpress.stages.plan import plan_run
from labelpress.stages.publish import publish_labels
from labelpress.stages.record import keep_record
from labelpress.stages.vote import cast_votes
from labelpress.store import open_project_store
from labelpress.tables.schemas import ASKS
from tests.programs import SOURCES, find_program, missing_programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labelpress.project import Project
    from labelpress.runs import Run
    from labelpress.slots import Mode
    from labelpress.stages.fit import Fitted
    from labelpress.stages.gate import Gated
    from labelpress.stages.label import Candidate
    from labelpress.stages.plan import Plan
    from labelpress.stages.vote import Voted
    from labelpress.store import Store
    from labelpress.tables.publication import LabelVersion

# A busy machine draws examples slowly; that says nothing of the code.
hypothesis.settings.register_profile(
    "labelpress", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("labelpress")

_SYSTEM_SKIP = re.compile(r"needs (.+); run by make test-full")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--full`: skip nothing."""
    parser.addoption(
        "--full", action="store_true", help="run tests that need system packages or heavy servers"
    )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say before the long run what it will miss."""
    if not config.getoption("--full"):
        return []
    return [f"not here, so its tests will fail: {missing}" for missing in missing_programs()]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs more than pip, and name it; with `--full` fail where it is not there."""
    marker = item.get_closest_marker("system")
    if marker is None:
        return
    (system,) = marker.args
    if not item.config.getoption("--full"):
        pytest.skip(f"needs {system}; run by make test-full")
    if find_program(system) is None:
        pytest.fail(f"needs {system}, which is not here: {SOURCES[system]}", pytrace=False)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    Let each of several processes begin with long tests of one kind, and end with short ones.

    They take the list in equal pieces, and who is done takes from the end of another's piece: a
    long test there keeps one process at work while the others have nothing left.
    """
    count = getattr(config, "workerinput", {}).get("workercount", 1)
    if count == 1:
        return
    kinds = [*map(_kind, items)]
    pieces: list[list[pytest.Item]] = [[] for _ in range(count)]
    for number, kind in enumerate(("flow", "arena", "remote")):
        pieces[number % count] += [i for i, its in zip(items, kinds, strict=True) if its == kind]
    left = (i for i, its in zip(items, kinds, strict=True) if its == "short")
    for number, piece in enumerate(pieces):
        size = (len(items) + number) // count
        piece.extend(islice(left, max(0, size - len(piece))))
    items[:] = [*chain.from_iterable(pieces), *left]


def _kind(item: pytest.Item) -> str:
    """Return which server a test shares with others, or that it is short."""
    used = getattr(item, "fixturenames", ())
    if "_prefect" in used:
        return "flow"
    if "arena" in used:
        return "arena"
    return "remote" if item.path.parent.name == "remote" else "short"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Say on the very last line how many tests were skipped for want of what, if any were."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # one of several processes; the first one reports for all
        return
    reasons = [str(report.longrepr) for report in reporter.stats.get("skipped", ())]
    skips = Counter(found[1] for found in map(_SYSTEM_SKIP.search, reasons) if found)
    if skips:
        named = ", ".join(f"{package}: {count}" for package, count in sorted(skips.items()))
        reporter.write_line(
            f"{skips.total()} skipped for want of a system package or server ({named}); "
            "make test-full runs them"
        )


@pytest.fixture(name="cluster", scope="session")
def _cluster() -> Iterator[Cluster]:
    """A local cluster of threads, one for the whole session."""
    with open_cluster(processes=False, workers=2) as cluster:
        yield cluster


@pytest.fixture(name="empty_tracking", scope="session")
def _empty_tracking(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """A function that puts an MLflow database without runs somewhere; the first one is copied."""
    template = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    make = tracking._make_database

    def put(path: Path) -> None:
        make(f"sqlite:///{template}")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(template, path)

    return put


@pytest.fixture(scope="session", autouse=True)
def _quick_tracking(empty_tracking: Callable[[Path], None]) -> Iterator[None]:
    """Whatever makes an MLflow database gets a copy: MLflow's own migrations take seconds each."""
    make = tracking._make_database

    def copy(uri: str) -> None:
        path = Path(uri.removeprefix("sqlite:///"))
        if uri.startswith("sqlite:////") and "?" not in uri and not path.exists():
            empty_tracking(path)
        make(uri)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "_make_database", copy)
        yield


@pytest.fixture(name="free_ports")
def _free_ports() -> tuple[int, int]:
    """Two ports of this machine on which nobody listens."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


PROJECT = """
name = "reviews"
[source]
uri = "data/"
id = "id"
[classes]
names = ["ham", "spam"]
[experts]
budget = 6
oracle = "gold"
[end_model.features]
text = ["text"]
numeric = ["stars"]
"""

HEURISTICS = """
import polars as pl
from labelpress import heuristic, keywords

begging = keywords(["subscribe", "my channel"], label="spam", column="text")
short = heuristic(pl.col("text").str.len_chars() < 12, label="ham")
starred = heuristic(pl.col("stars") >= 4, label="ham")

@heuristic(label="spam")
def shouting(row):
    return len(row.text) > 5 and row.text.isupper()
"""

ROWS = {
    "day-1.parquet": [
        ("a1", "subscribe to my channel", 1, "spam"),
        ("a2", "nice song", 5, "ham"),
        ("a3", "I liked the second verse best", 4, "ham"),
        ("a4", "CHECK THIS OUT", 1, "spam"),
    ],
    "day-2.parquet": [
        ("b1", "please subscribe", 2, "spam"),
        ("b2", "what a voice she has here", 3, "ham"),
        ("b3", "wonderful", 2, "ham"),
        ("b4", "BUY NOW", 1, "spam"),
    ],
    "day-3.parquet": [
        ("c1", "my channel is better", 1, "spam"),
        ("c2", "played it all day long", 5, "ham"),
        ("c3", "meh", 2, "ham"),
        ("c4", "win money at this address", 2, "spam"),
    ],
}
_OLD = 1_700_000_000


@dataclass(frozen=True, slots=True)
class Printed:
    """What each stage of one run left behind."""

    run: Run
    plan: Plan
    voted: Voted
    fitted: Fitted
    candidate: Candidate
    gated: Gated
    version: LabelVersion | None
    """None where the run was held."""

    @property
    def labels(self) -> pl.DataFrame:
        """The labels of the candidate by row_id, published or not."""
        files, paths = self.run.store.files, [e.path for e in self.gated.manifest.entries]
        frames = [files.read_parquet(f"labels/{path}") for path in paths]
        return pl.concat(frames).sort("row_id")


@dataclass(frozen=True, slots=True)
class SmallProject:
    """A project of three Parquet partitions of four rows each, in a folder of its own."""

    path: Path

    def write(self, part: str, frame: pl.DataFrame | list[Any], *, age: int = 0) -> None:
        """Write a partition; long ago, so that a run may trust its modification time."""
        if isinstance(frame, list):
            frame = pl.DataFrame(frame, schema=["id", "text", "stars", "gold"], orient="row")
        file = self.path / "data" / part
        file.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(file)
        os.utime(file, (_OLD - age, _OLD - age))

    def enlarge(self) -> None:
        """Let it have 120 rows, some of them labelled wrongly, and a large budget."""
        for part in range(3):
            rows = [
                # each in words of its own: near-identical rows would be asked once
                (f"{part}-{i}", f"{'please subscribe' if i % 2 else 'nice'} {word}", i % 5, gold)
                for i in range(40)
                for word in ["abc"[part] + ascii_letters[i]]
                for gold in ["spam" if i % 2 == (i % 7 != 0) else "ham"]
            ]
            self.write(f"day-{part + 1}.parquet", rows)
        self.configure("budget = 6", "budget = 60")

    def frame(self, part: str) -> pl.DataFrame:
        """Return a partition as it is on the disk."""
        return pl.read_parquet(self.path / "data" / part)

    def remove(self, part: str) -> None:
        """Delete a partition."""
        (self.path / "data" / part).unlink()

    def configure(self, old: str, new: str) -> None:
        """Replace a piece of project.toml, which must be there."""
        self._replace("project.toml", old, new)

    def draw_by(self, seed: int) -> None:
        """Let another seed say which rows are audits: of twelve rows it decides what happens."""
        self.configure('name = "reviews"', f'name = "reviews"\nseed = {seed}')

    def edit(self, old: str, new: str) -> None:
        """Replace a piece of heuristics.py, which must be there."""
        self._replace("heuristics.py", old, new)

    def heuristics(self, text: str) -> None:
        """Replace heuristics.py."""
        (self.path / "heuristics.py").write_text(dedent(text))

    def read(self) -> Project:
        """Read the project anew."""
        return read_project(str(self.path))

    def open(self, period: str = "2026-03-02", mode: Mode = "scheduled", flow_run: str = "") -> Run:
        """Begin a run."""
        return open_run(self.read(), period=period, mode=mode, flow_run=flow_run)

    def plan(self, cluster: Cluster, period: str = "2026-03-02", mode: Mode = "scheduled") -> Plan:
        """Run the first two stages."""
        run = self.open(period, mode)
        return plan_run(run, freeze_answers(run, cluster), cluster)

    def print(
        self,
        cluster: Cluster,
        period: str = "2026-03-02",
        mode: Mode = "scheduled",
        *,
        publish: bool = True,
    ) -> Printed:
        """Run all stages from answers to ask, as the flow does."""
        run = self.open(period, mode)
        plan = plan_run(run, freeze_answers(run, cluster), cluster)
        voted = cast_votes(run, plan, cluster)
        fitted = fit_labels(run, voted, plan.answers, cluster)
        candidate = write_labels(run, fitted, cluster)
        gated = judge_candidate(run, candidate, cluster)
        version = None
        if publish and not gated.held:
            version = publish_labels(run, gated.manifest)
            put_asks(
                run,
                gated.manifest,
                cluster,
                batch=f"v{version.version}",
                label_version=version.version,
            )
        return Printed(run, plan, voted, fitted, candidate, gated, version)

    def record(self, printed: Printed) -> None:
        """Book what a run spent and write its report; MLflow is told nothing, no model trained."""
        keep_record(
            printed.run,
            printed.gated.manifest,
            version=printed.version,
            held=printed.gated.held,
            trained=None,
            promotion=None,
            asks=0,
        )

    def published(self) -> tuple[LabelVersion, ...]:
        """Return the label versions in the store, none where there is no store."""
        return self.store.labels.versions()

    def candidates(self) -> list[str]:
        """Return the label files that lie in the store, visible or not."""
        found = (self.path / "store" / "labels").rglob("*.parquet")
        return sorted(str(file.relative_to(self.path)) for file in found)

    @property
    def store(self) -> Store:
        """The project's store, unopened."""
        from labelpress.store import Store  # noqa: PLC0415  only here is it needed at run time

        return Store(self.read().store_uri)

    def _replace(self, name: str, old: str, new: str) -> None:
        file = self.path / name
        text = file.read_text()
        assert old in text, f"{old!r} is not in {name}"
        file.write_text(text.replace(old, new))


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> SmallProject:
    """A small project on the disk: four heuristics, two classes, an oracle column."""
    return _written(tmp_path / "reviews")


@pytest.fixture(name="write_project", scope="session")
def _write_project() -> Callable[[Path], SmallProject]:
    """Write the same small project into a folder of one's own."""
    return _written


def _written(path: Path) -> SmallProject:
    project = SmallProject(path)
    project.path.mkdir()
    (project.path / "project.toml").write_text(PROJECT)
    project.heuristics(HEURISTICS)
    for part, rows in ROWS.items():
        project.write(part, rows)
    return project


@pytest.fixture(name="asked")
def _asked(project: SmallProject) -> SmallProject:
    """The small project with six rows asked: the first two of each day."""
    now = datetime.now(UTC)
    frames = []
    for day in ("day-1", "day-2", "day-3"):
        rows = project.frame(f"{day}.parquet").head(2)
        columns = sorted(set(rows.columns) - {"gold"})
        frames.append(
            rows.select(
                ask_id=pl.format("ask-{}", "id"),
                row_id="id",
                part=pl.lit(f"{day}.parquet"),
                row_hash=pl.Series(
                    hash_texts(pl.Series(hash_rows(rows, columns), dtype=pl.UInt64))
                ),
                reason=pl.lit("drawn at random"),
                period=pl.lit("2026-03-02"),
                created=pl.lit(now - timedelta(days=1)),
                expires=pl.lit(now + timedelta(days=27)),
            )
        )
    asks = pl.concat(frames)
    absent = [pl.lit(None, kind).alias(n) for n, kind in ASKS.items() if n not in asks.columns]
    asks = asks.with_columns(absent).select(ASKS.names()).cast(ASKS)
    open_project_store(project.read()).asks.append(asks, batch="v1")
    return project
