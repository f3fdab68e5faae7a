"""What all tests share: skipping what needs more than pip, a small project, and one cluster."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

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
from labelpress.stages.vote import cast_votes
from labelpress.store import open_project_store
from labelpress.tables.schemas import ASKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

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

_SYSTEM_SKIPS = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--full`: skip nothing."""
    parser.addoption(
        "--full", action="store_true", help="run tests that need system packages or heavy servers"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    config.stash[_SYSTEM_SKIPS] = Counter()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs more than pip, and name it."""
    marker = item.get_closest_marker("system")
    if marker is None or item.config.getoption("--full"):
        return
    package = str(marker.args[0])
    item.config.stash[_SYSTEM_SKIPS][package] += 1
    pytest.skip(f"needs {package}; run by make test-full")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Say on the very last line how many tests were skipped for want of what, if any were."""
    yield
    skips = session.config.stash[_SYSTEM_SKIPS]
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if skips and reporter is not None:
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

    def frame(self, part: str) -> pl.DataFrame:
        """Return a partition as it is on the disk."""
        return pl.read_parquet(self.path / "data" / part)

    def remove(self, part: str) -> None:
        """Delete a partition."""
        (self.path / "data" / part).unlink()

    def configure(self, old: str, new: str) -> None:
        """Replace a piece of project.toml, which must be there."""
        self._replace("project.toml", old, new)

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
        voted = cast_votes(run, plan, cluster, _silent)
        fitted = fit_labels(run, voted, plan.answers, cluster)
        candidate = write_labels(run, fitted, cluster, _silent)
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


def _silent(_done: int, _all: int) -> None:
    """Show no progress."""


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
