"""Teaching: what the workers do to fit and judge an end model, at once or block by block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from labelpress.end_model.evaluation import Evaluation, evaluate
from labelpress.end_model.features import fit_features
from labelpress.end_model.held_out import held_out
from labelpress.end_model.sizing import RowBytes, measure
from labelpress.end_model.sweep import FEWEST_JUDGES, Judges, Sweep, sweep
from labelpress.end_model.training import Prepared, Taught, TrainedModel, learn, prepare
from labelpress.heuristics import cast, load_heuristics
from labelpress.stages.recheck import rank_test_labels
from labelpress.stages.trained import AuditPredictions, Trained
from labelpress.stages.training_rows import Block, Reading, SeenVotes, read_block, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labelpress.classes import Classes
    from labelpress.end_model.settings import EndModelSettings
    from labelpress.end_model.softmax import Floats, Matrix
    from labelpress.end_model.streaming import Stream
    from labelpress.stages.training_rows import TrainingPart
    from labelpress.test_set import TestSet


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs to make an end model of training rows."""

    reading: Reading
    settings: EndModelSettings
    """With the features filled in."""
    answers: pl.DataFrame
    """Answers that match their rows: row_id, code, reserved, stratum, propensity."""
    solver: str
    answers_version: int | None = None
    """The version of `answers` that has corrected the test set."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by code."""
        return self.reading.classes.names


@dataclass(frozen=True, slots=True)
class Pilot:
    """What is learnt of the features from some rows before others are streamed."""

    prepared: Prepared
    """Without rows: the features, votes' columns and class weights."""
    sweep: Sweep | None


@dataclass(slots=True)
class Streamed:
    """What has been learnt until now, block by block."""

    streams: list[Stream]
    rows: int = 0
    excluded: int = 0


def measure_rows(part: TrainingPart, reading: Reading, rows: int) -> RowBytes | None:
    """Measure what each of so many training rows takes, by some of one partition, on a worker."""
    block = read_block(part, reading)
    frame = block.frame
    if frame.height == 0:
        return None
    features = fit_features(frame, reading.features, rows).transform(frame)
    return measure(frame, features, block.votes)


def fit_in_memory(blocks: Sequence[Block], job: Job) -> Trained:
    """Fit and judge on all rows at once, on a worker; memory grows with the training rows."""
    block = together(blocks)
    prepared, reserved = _prepared(block, job)
    taught = learn(prepared, job.classes, job.settings, job.reading.seed)
    recipe = taught.recipes[0]
    base = recipe.base if recipe.share == 1 else None
    lesson = prepared.views[0][0]
    judges = _judges(prepared, job)
    swept = None if judges is None else sweep(lesson, judges, job.reading.seed, base)
    return _judged(taught, prepared, (block, reserved), job, swept, block.frame.height)


def fly(blocks: Sequence[Block], job: Job) -> Pilot:
    """Learn features, class weights and the sweep from the pilot's rows, on a worker."""
    prepared, _ = _prepared(together(blocks), job)
    judges = _judges(prepared, job)
    lesson = prepared.views[0][0]
    swept = None if judges is None else sweep(lesson, judges, job.reading.seed)
    none = np.zeros(0, dtype=np.int64)
    views = tuple(
        (
            replace(
                lesson,
                X=lesson.X[:0],
                program=lesson.program[:0],
                answers=none,
                importance=np.zeros(0),
            ),
            seen,
        )
        for lesson, seen in prepared.views
    )
    return Pilot(replace(prepared, views=views, votes=None), swept)


def read_lesson(
    part: TrainingPart, job: Job, pilot: Pilot
) -> tuple[tuple[Matrix, ...], Floats, int]:
    """Read and prepare one partition's rows without an answer, on a worker."""
    block = read_block(part, job.reading)
    prepared, _ = _prepared(block, job, pilot.prepared)
    lesson = prepared.views[0][0]
    rows = lesson.unanswered
    matrices = tuple(view.X[rows] for view, _ in prepared.views)
    return matrices, lesson.program_targets(rows), block.excluded


def learn_block(state: Streamed, block: tuple[tuple[Matrix, ...], Floats, int]) -> Streamed:
    """Learn from one partition, on a worker."""
    matrices, targets, excluded = block
    for stream, X in zip(state.streams, matrices, strict=True):
        stream.partial_fit(X, targets)
    return Streamed(state.streams, state.rows + len(targets), state.excluded + excluded)


def finish_stream(blocks: Sequence[Block], job: Job, pilot: Pilot, state: Streamed) -> Trained:
    """Learn from the answers what the stream left open, and judge, on a worker."""
    block = together(blocks)
    prepared, reserved = _prepared(block, job, pilot.prepared)
    bases = [stream.learner() for stream in state.streams]
    taught = learn(prepared, job.classes, job.settings, job.reading.seed, bases)
    rows = state.rows + len(prepared.views[0][0].answered)
    block = replace(block, excluded=state.excluded)
    return _judged(taught, prepared, (block, reserved), job, pilot.sweep, rows)


def _prepared(block: Block, job: Job, like: Prepared | None = None) -> tuple[Prepared, np.ndarray]:
    """Return the rows as lessons, and the codes of reserved audits among them, -1 elsewhere."""
    told = _answers_of(block.row_ids, job.answers)
    codes, reserved = told["code"].to_numpy(), told["reserved"].to_numpy()
    prepared = prepare(
        block.frame,
        block.soft,
        answers=np.where(reserved, -1, codes),
        propensity=told["propensity"].to_numpy(),
        audit=(told["stratum"] == "audit").to_numpy(),
        classes=job.classes,
        settings=job.settings,
        seed=job.reading.seed,
        votes=block.votes,
        like=like,
    )
    return prepared, np.where(reserved, codes, -1)


def _judges(prepared: Prepared, job: Job) -> Judges | None:
    """Return the rows that judge the sweep: the answers where they are enough, or the test set."""
    lesson, test = prepared.views[0][0], job.reading.test
    answered = lesson.answered
    if len(answered) >= FEWEST_JUDGES:
        importance = lesson.importance[answered]
        return Judges(lesson.X[answered], lesson.answers[answered], importance, "answers")
    if test is None:
        return None
    X = prepared.features.transform(test.frame)
    return Judges(X, test.codes, np.ones(len(test.codes)), "test set")


def _judged(
    taught: Taught,
    prepared: Prepared,
    rows: tuple[Block, np.ndarray],
    job: Job,
    swept: Sweep | None,
    trained_on: int,
) -> Trained:
    block, reserved = rows
    model = taught.model
    evaluation, judged_on, suspects = _judge(model, block, reserved, job)
    test = job.reading.test
    return Trained(
        content=model.to_bytes(),
        mix=model.mix,
        candidates=model.candidates,
        rows=trained_on,
        excluded=block.excluded,
        evaluation=evaluation,
        judged_on=judged_on,
        solver=job.solver,
        sweep=swept,
        audits=_audit_predictions(taught, prepared, block, reserved, job),
        suspects=suspects,
        corrected=0 if test is None else test.corrected,
        answers_version=job.answers_version,
    )


def _audit_predictions(
    taught: Taught, prepared: Prepared, block: Block, reserved: np.ndarray, job: Job
) -> AuditPredictions:
    answered, said = held_out(prepared, taught, job.reading.seed)
    kept = np.flatnonzero(reserved >= 0)
    found = dict(zip(block.row_ids.gather(answered), said.argmax(axis=1).tolist(), strict=True))
    if len(kept):
        votes = None if block.votes is None else block.votes[kept]
        plain = taught.model.predict_proba(block.frame[kept], votes).argmax(axis=1)
        found |= dict(zip(block.row_ids.gather(kept), plain.tolist(), strict=True))
    audits = job.answers.filter(pl.col("stratum") == "audit")["row_id"].unique().sort()
    named = [row_id for row_id in audits if row_id in found]
    return AuditPredictions(tuple(named), tuple(found[row_id] for row_id in named))


def _answers_of(row_ids: pl.Series, answers: pl.DataFrame) -> pl.DataFrame:
    """Return code, stratum, propensity and reserved of each row; code -1 without an answer."""
    joined = row_ids.to_frame("row_id").join(
        answers, on="row_id", how="left", maintain_order="left"
    )
    return joined.with_columns(
        pl.col("code").fill_null(-1),
        pl.col("stratum").fill_null(""),
        pl.col("propensity").fill_null(1.0),
        pl.col("reserved").fill_null(value=False),
    )


def _judge(
    model: TrainedModel, block: Block, reserved: np.ndarray, job: Job
) -> tuple[Evaluation | None, str, pl.DataFrame | None]:
    """
    Judge on the test set, else on the reserved audits: their codes, -1 elsewhere.

    Returned are also what judged, and the test set's rows by how suspicious their gold is.
    """
    test = job.reading.test
    seen = job.reading.votes if model.sees_votes else None
    if test is not None:
        said = model.predict_proba(test.frame, _test_votes(test, seen, job.reading.classes))
        judged = evaluate(said, test.codes, test.digest)
        return judged, "test set", rank_test_labels(test, said)
    audited = np.flatnonzero(reserved >= 0)
    if len(audited) == 0:
        return None, "nothing", None
    digest = f"audits-{block.row_ids.gather(audited).sort().hash(0).sum()}"
    votes = None if block.votes is None else block.votes[audited]
    said = model.predict_proba(block.frame[audited], votes)
    return evaluate(said, reserved[audited], digest), "reserved audits", None


def _test_votes(test: TestSet, seen: SeenVotes | None, classes: Classes) -> np.ndarray | None:
    if seen is None:
        return None
    votes = cast(test.frame, load_heuristics(seen.bundle, classes), classes).matrix
    votes[:, [not fingerprint for fingerprint in seen.fingerprints]] = -1
    return votes
