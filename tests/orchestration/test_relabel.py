"""The relabel flow over several periods: what is published, tracked and booked, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape

import polars as pl
import pytest
from mlflow import MlflowClient
from prefect import task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter

from flows.promote import promote
from flows.relabel import relabel
from flows.rollback import lift, rollback
from labelpress import read_labels
from labelpress.amounts import usd_text
from labelpress.errors import PublicationRefusedError, TrackingError
from labelpress.ledger import STAGES, sum_costs
from labelpress.report.facts import read_facts
from labelpress.summary import cost_metrics

FIRST, SECOND, THIRD = "2026-03-02", "2026-03-09", "2026-03-16"
NEW_DAY = [
    ("d1", "subscribe please", 1, "spam"),
    ("d2", "lovely", 5, "ham"),
    ("d3", "what a morning this is", 3, "ham"),
]


@pytest.fixture(name="run_flow")
def _run_flow(project, cluster):
    """Run relabel on the small project and return its final state."""

    def run(period=FIRST, mode="scheduled"):
        return relabel(
            str(project.path),
            mode=mode,
            period=period,
            cluster=cluster.address,
            return_state=True,
        )

    return run


def _runs(project):
    client = MlflowClient(tracking_uri=project.read().tracking_uri)
    experiment = client.get_experiment_by_name("reviews")
    return client, client.search_runs([experiment.experiment_id])


def _printings(project):
    _, runs = _runs(project)
    return [run for run in runs if run.data.tags.get("labelpress.kind") != "ledger"]


def _ask_again(project, number):
    """Put rows before the oracle a second time, as the recheck stratum does."""
    store = project.store
    again = (
        store.asks.read()
        .head(number)
        .with_columns(
            ask_id=pl.format("{}-again", "ask_id"),
            stratum=pl.lit("recheck"),
            expires=pl.lit(datetime.now(UTC) + timedelta(days=28)),
        )
    )
    assert again.height == number
    store.asks.append(again, batch="again")


def _costs_in(ledger, period):
    """Return what the cost metrics of a period must be by a ledger."""
    so_far = sum_costs(ledger.filter(pl.col("period") <= period))
    return cost_metrics(sum_costs(ledger.filter(pl.col("period") == period)), so_far.total_usd)


class TestPeriods:
    """Printing period after period, under a gate that lets the first answers change labels."""

    @pytest.fixture(autouse=True)
    def _tolerant(self, project):
        project.configure("[experts]", "[gate]\nmax_churn = 1.0\n[experts]")

    def test_each_period_is_published_once(self, project, run_flow):
        """Three periods give three versions; running the schedule again gives none."""
        for number, period in enumerate((FIRST, SECOND, THIRD)):
            if number:
                project.write(
                    f"day-{number + 3}.parquet",
                    [(f"{row_id}{number}", *rest) for row_id, *rest in NEW_DAY],
                )
            assert run_flow(period).result().status == "published"

        again = run_flow(THIRD)
        late = run_flow(FIRST)

        assert [v.period for v in project.published()] == [FIRST, SECOND, THIRD]
        assert (again.name, again.is_completed()) == ("Unchanged", True)
        assert late.name == "Unchanged"
        assert read_labels(project.read().store_uri).collect()["row_id"].is_unique().all()

    def test_a_run_that_completes_another_names_the_version_it_found(
        self, project, run_flow, monkeypatch
    ):
        """Of two started at once the later one may find the labels published, the rest not done."""

        @task(name="ask")
        def die(*_arguments):
            raise RuntimeError("no more")

        with monkeypatch.context() as patch:
            patch.setattr("tasks.ask.ask", die)
            assert run_flow(FIRST).is_failed()

        state = run_flow(FIRST)

        assert state.is_completed()
        assert state.message.startswith(f"period {FIRST} is already printed: label version 1; ")
        assert state.result().status == "published"
        assert len(project.published()) == len(_printings(project)) == 1

    def test_only_new_partitions_are_cast(self, project, run_flow):
        """Four heuristics on one new partition are four cells; twelve are reused."""
        run_flow(FIRST)
        project.write("day-4.parquet", NEW_DAY)

        run_flow(SECOND)

        newest = max(_printings(project), key=lambda run: run.data.tags["labelpress.period"])
        assert newest.data.metrics["votes.cells_computed"] == 4
        assert newest.data.metrics["votes.cells_reused"] == 12

    def test_a_reprint_recomputes_the_edited_heuristic_alone(self, project, run_flow):
        """The second printing of a period is a version of its own."""
        run_flow(FIRST)
        project.edit("> 5 and", "> 4 and")

        outcome = run_flow(FIRST, "reprint").result()

        assert (outcome.status, outcome.printing) == ("published", 2)
        second = next(r for r in _printings(project) if r.data.tags["labelpress.printing"] == "2")
        assert second.data.metrics["votes.cells_computed"] == 3
        assert second.data.metrics["votes.cells_reused"] == 9

    def test_backfilling_the_last_period(self, project, run_flow):
        """Period 2, a reprint of it, then period 2 as scheduled: two printings, then nothing."""
        run_flow(FIRST)
        run_flow(SECOND)
        project.edit("> 5 and", "> 4 and")
        run_flow(SECOND, "reprint")

        state = run_flow(SECOND)

        assert state.name == "Unchanged"
        assert [(v.period, v.printing) for v in project.published()] == [
            (FIRST, 1),
            (SECOND, 1),
            (SECOND, 2),
        ]

    def test_an_older_period_cannot_be_reprinted(self, project, run_flow):
        """The error names the last published period."""
        run_flow(FIRST)
        run_flow(SECOND)

        state = run_flow(FIRST, "reprint")

        with pytest.raises(PublicationRefusedError, match=rf"{FIRST}.*{SECOND}"):
            state.result()
        assert len(project.published()) == 2

    def test_an_edited_row_makes_its_answer_stale(self, project, run_flow):
        """It neither overrides nor teaches any more."""
        run_flow(FIRST)
        run_flow(SECOND)
        answered = project.store.answers.read()["row_id"][0]
        part = f"day-{'abc'.index(answered[0]) + 1}.parquet"
        frame = project.frame(part)
        changed = pl.when(pl.col("id") == answered).then(pl.col("text") + "!").otherwise("text")
        project.write(part, frame.with_columns(changed.alias("text")), age=-100)

        summary = run_flow(THIRD).result().summary

        assert "| answers that no longer match their row | 1 |" in summary


class TestDryRun:
    """mode = dry-run."""

    def test_nothing_is_written(self, project, run_flow):
        """Not even a store where there is none."""
        outcome = run_flow(FIRST, "dry-run").result()

        assert outcome.status == "forecast"
        assert "12 cells and reuse 0" in outcome.summary
        assert not (project.path / "store").exists()
        assert not (project.path / "mlflow.db").exists()

    def test_cells_minutes_and_churn_are_named(self, project, run_flow):
        """After an edit: three cells of one heuristic, and what they would change."""
        run_flow(FIRST)
        project.edit("< 12", "< 30")
        before = sorted(str(p) for p in (project.path / "store").rglob("*"))

        summary = run_flow(SECOND, "dry-run").result().summary

        assert "| `short` | 3 | edited: its rule changed |" in summary
        assert "core minutes" in summary
        assert "Probable churn: " in summary
        assert sorted(str(p) for p in (project.path / "store").rglob("*")) == before


class TestHeld:
    """A candidate that fails the gate."""

    @pytest.fixture(autouse=True)
    def _strict(self, project):
        project.configure("[experts]", "[gate]\nmax_churn = 0.05\n[experts]")

    def _turn(self, project):
        project.edit('< 12, label="ham"', '< 30, label="spam"')
        project.edit('>= 4, label="ham"', '>= 1, label="spam"')

    def test_it_stays_invisible(self, project, run_flow):
        """The run is completed, its state Held, and rows that would change are asked."""
        run_flow(FIRST)
        self._turn(project)

        state = run_flow(SECOND)
        outcome = state.result()

        assert (state.name, state.type.value) == ("Held", "COMPLETED")
        assert outcome.status == "held"
        assert any("would change their label" in reason for reason in outcome.reasons)
        assert [v.period for v in project.published()] == [FIRST]
        assert "changed" in project.store.asks.read()["stratum"].to_list()
        held = [r for r in _printings(project) if r.data.tags["labelpress.printing"] == "held"]
        assert [run.info.status for run in held] == ["FINISHED"]

    def test_a_person_publishes_it(self, project, run_flow, cluster):
        """The decision is kept with who and why."""
        run_flow(FIRST)
        self._turn(project)
        run_flow(SECOND)
        held = [r for r in project.store.files.names("runs") if r.startswith(SECOND)]

        outcome = promote(str(project.path), held[0], "ada", "we meant it", cluster.address)

        assert outcome.status == "published"
        assert [v.kind for v in project.published()] == ["printing", "promotion"]
        decision = project.store.decisions.read().filter(pl.col("kind") == "publish-held")
        assert decision["who"].to_list() == ["ada"]

    def test_an_outdated_candidate_is_refused(self, project, run_flow, cluster):
        """Something else was published since it was compared."""
        run_flow(FIRST)
        self._turn(project)
        run_flow(SECOND)
        held = [r for r in project.store.files.names("runs") if r.startswith(SECOND)]
        project.edit('< 30, label="spam"', '< 12, label="ham"')
        project.edit('>= 1, label="spam"', '>= 4, label="ham"')
        run_flow(THIRD)

        with pytest.raises(PublicationRefusedError, match="is the current one now"):
            promote(str(project.path), held[0], "ada", "we meant it", cluster.address)

    def test_a_rollback_holds_until_it_is_lifted(self, project, run_flow):
        """The labels of the first period are back; the next run may not publish."""
        run_flow(FIRST)
        project.write("day-4.parquet", NEW_DAY)
        run_flow(SECOND)
        rollback(str(project.path), project.published()[0].version, "ada", "wrong day")

        held = run_flow(THIRD)
        lift(str(project.path), "ada", "mended")
        after = run_flow(THIRD)

        assert held.name == "Held"
        assert "ada rolled back" in held.result().reasons[0]
        assert after.result().status == "published"
        assert [v.kind for v in project.published()] == [
            "printing",
            "printing",
            "restore",
            "printing",
        ]


class TestRecord:
    """What is left for people to read."""

    NAMES = (
        "labels.coverage",
        "labels.conflict",
        "model.accuracy",
        "cost.total_usd",
        "cost.expert_usd",
        "cost.compute_usd",
        "cost.saved_usd",
        "cost.hand_usd",
        "cost.cumulative_usd",
        "votes.cells_computed",
        "votes.cells_reused",
        "heuristic.begging.coverage",
        "heuristic.begging.seconds",
    )

    def test_one_run_per_printing(self, project, run_flow):
        """With tags, inputs, metrics by their names, and the model's alias."""
        run_flow(FIRST)
        run_flow(SECOND)

        runs = _printings(project)
        assert sorted(run.data.tags["labelpress.period"] for run in runs) == [FIRST, SECOND]
        latest = max(runs, key=lambda run: run.data.tags["labelpress.period"])
        assert set(self.NAMES) <= set(latest.data.metrics)
        assert {item.dataset.name for item in latest.inputs.dataset_inputs} == {"source", "labels"}
        assert {run.info.status for run in runs} == {"FINISHED"}
        client, _ = _runs(project)
        assert len(client.search_model_versions("name = 'reviews'")) == 2

    def test_ledger_mlflow_and_report_agree(self, project, run_flow):
        """To the cent: periods with rework and reuse, a reprint, a held run; a dollar a second."""
        project.configure(
            "[experts]", "[costs]\ncore_usd_per_hour = 3600\n[gate]\nmax_churn = 1.0\n[experts]"
        )
        run_flow(FIRST)
        _ask_again(project, 2)
        project.write("day-4.parquet", NEW_DAY)
        run_flow(SECOND)
        project.edit("> 5 and", "> 4 and")
        run_flow(SECOND, "reprint")
        rollback(str(project.path), project.published()[0].version, "ada", "wrong day")
        assert run_flow(THIRD).name == "Held"

        store, (client, runs) = project.store, _runs(project)
        rework = store.ledger.read().filter(pl.col("what") == "rework")["quantity"]
        assert rework.to_list() == [2 * 20 / 60]
        for run in _printings(project):
            ours, period = run.data.tags["labelpress.run"], run.data.tags["labelpress.period"]
            booked = store.ledger.read(read_facts(store, ours).ledger_version)
            page = store.files.read_bytes(f"runs/{ours}/report.html").decode()
            for name, usd in _costs_in(booked, period).items():
                assert run.data.metrics[name] == pytest.approx(usd, abs=0.005), (ours, name)
                assert escape(usd_text(usd)) in page, (ours, name)
        ledger = next(run for run in runs if run.data.tags.get("labelpress.kind") == "ledger")
        booked = store.ledger.read()
        for step, period in enumerate((FIRST, SECOND, THIRD), start=1):
            for name, usd in _costs_in(booked, period).items():
                points = client.get_metric_history(ledger.info.run_id, name)
                drawn = [point.value for point in points if point.step == step]
                assert drawn[-1] == pytest.approx(usd, abs=0.005), (period, name)
                assert len(drawn) == 1 or step == 2, "a past period is never drawn anew"
        assert sum_costs(booked).saved_usd > 0
        assert sum_costs(booked).compute_usd > 1

    def test_a_server_that_is_down_is_said_first(self, project, run_flow):
        """Before anything is computed."""
        project.configure("[experts]", '[tracking]\nuri = "http://127.0.0.1:9"\n[experts]')

        state = run_flow(FIRST)

        with pytest.raises(TrackingError, match="Nothing was computed or published"):
            state.result(raise_on_failure=True)
        assert project.published() == ()

    def test_the_stages_are_tasks(self, project, run_flow):
        """All eleven show up in the run, in order."""
        state = run_flow(FIRST)

        with get_client(sync_client=True) as client:
            runs = client.read_task_runs()
        mine = [r for r in runs if r.flow_run_id == state.state_details.flow_run_id]
        names = [r.name.rpartition("-")[0] for r in sorted(mine, key=lambda r: r.start_time)]
        assert tuple(names) == STAGES

    def test_each_stage_shows_its_progress(self, project, run_flow):
        """One progress artifact per stage, at 100 % in the end."""
        state = run_flow(FIRST)

        mine = FlowRunFilter(id={"any_": [state.state_details.flow_run_id]})
        with get_client(sync_client=True) as client:
            artifacts = client.read_artifacts(flow_run_filter=mine)
        progress = {a.key: float(a.data) for a in artifacts if a.type == "progress"}
        assert progress == {f"{stage}-progress": 100.0 for stage in STAGES}
