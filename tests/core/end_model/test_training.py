"""Training: the mixes on a problem whose answer is known, and models that survive their file."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from labelpress.end_model.settings import EndModelSettings, Features
from labelpress.end_model.training import TrainedModel, fit
from labelpress.errors import LabelpressError, ProjectError

NUMBERS = EndModelSettings(features=Features(numeric=("x", "z")))
CLASSES = ("ham", "spam")


@pytest.fixture(name="rows", scope="module")
def _rows() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 600))
    return pl.DataFrame({"x": x, "z": z, "truth": (x + z > 0).astype(np.int64)})


def program_of(rows: pl.DataFrame) -> np.ndarray:
    """Return labels that see x only, 90 % sure: right about three times in four."""
    spam = np.where(rows["x"].to_numpy() > 0, 0.9, 0.1)
    return np.column_stack([1 - spam, spam])


def answers_of(rows: pl.DataFrame, count: int) -> np.ndarray:
    """Return the truth of the first rows, -1 elsewhere."""
    return np.where(np.arange(rows.height) < count, rows["truth"].to_numpy(), -1)


def accuracy_of(model: TrainedModel, rows: pl.DataFrame) -> float:
    """Return the accuracy on the last 300 rows."""
    test = rows[300:]
    predicted = model.predict_proba(test).argmax(axis=1)
    return float((predicted == test["truth"].to_numpy()).mean())


def train(rows: pl.DataFrame, answered: int, settings: EndModelSettings = NUMBERS) -> TrainedModel:
    """Fit on the first 300 rows."""
    taught = rows[:300]
    return fit(
        taught,
        program_of(taught),
        answers=answers_of(taught, answered),
        classes=CLASSES,
        settings=settings,
        seed=0,
    )


def test_answers_correct_what_the_program_cannot_see(rows):
    """The heuristics know x only; 100 answers teach z as well."""
    without, corrected = train(rows, 0), train(rows, 100)

    assert without.mix == "program (0 answers, fewer than 20)"
    assert 0.65 < accuracy_of(without, rows) < 0.85
    assert accuracy_of(corrected, rows) > 0.93
    assert {row["mix"] for row in corrected.candidates} == {"program", "offset", "answers"}


@pytest.mark.parametrize("mix", ["program", "answers", "offset"])
def test_a_mix_can_be_prescribed(rows, mix):
    """Then no other is tried."""
    model = train(rows, 60, NUMBERS.model_copy(update={"mix": mix}))

    assert model.mix.startswith(mix)
    assert np.allclose(model.predict_proba(rows[:5]).sum(axis=1), 1.0)


def test_answers_of_one_class_teach_nothing_about_the_other(rows):
    """All answers say spam: program labels alone, and the mix says why."""
    spam = rows.filter(pl.col("truth") == 1)[:30]
    taught = pl.concat([spam, rows[:200]])

    model = fit(
        taught,
        program_of(taught),
        answers=np.where(np.arange(230) < 30, 1, -1),
        classes=CLASSES,
        settings=NUMBERS,
        seed=0,
    )

    assert model.mix == "program (all 30 answers name one class)"


def test_what_the_labels_say_of_answered_rows_is_not_learnt(rows):
    """Whether answers override the labels before training changes no bit."""
    taught, answers = rows[:300], answers_of(rows[:300], 50)
    overridden = program_of(taught)
    overridden[:50] = np.eye(2)[answers[:50]]

    one, two = (
        fit(taught, soft, answers=answers, classes=CLASSES, settings=NUMBERS, seed=0)
        for soft in (program_of(taught), overridden)
    )

    np.testing.assert_array_equal(one.predict_proba(rows), two.predict_proba(rows))


def test_rows_without_a_label_do_not_teach(rows):
    """Zeros and NaN mean no label."""
    taught = rows[:300]
    zeros, unknown = program_of(taught), program_of(taught)
    zeros[100:], unknown[100:] = 0.0, np.nan
    none = np.full(300, -1)

    models = [
        fit(taught, soft, answers=none, classes=CLASSES, settings=NUMBERS, seed=0)
        for soft in (zeros, unknown)
    ]

    np.testing.assert_array_equal(*(model.predict_proba(rows) for model in models))


def test_nothing_to_learn_from_is_an_error(rows):
    """Neither a label nor an answer."""
    with pytest.raises(LabelpressError, match="nothing to learn from"):
        fit(
            rows, np.zeros((600, 2)), answers=np.full(600, -1), classes=CLASSES,
            settings=NUMBERS, seed=0,
        )  # fmt: skip


def test_answers_alone_can_teach(rows):
    """No heuristic fired anywhere."""
    model = fit(
        rows, np.zeros((600, 2)), answers=answers_of(rows, 200), classes=CLASSES,
        settings=NUMBERS, seed=0,
    )  # fmt: skip

    assert model.mix.startswith("answers")
    assert accuracy_of(model, rows) > 0.93


def test_a_model_survives_its_file(rows):
    """Saved, read and asked again: the same bits."""
    model = train(rows, 60)

    again = TrainedModel.from_bytes(model.to_bytes())

    np.testing.assert_array_equal(again.predict_proba(rows), model.predict_proba(rows))
    assert (again.mix, again.classes, again.candidates) == (
        model.mix, model.classes, model.candidates,
    )  # fmt: skip


def test_text_and_votes_survive_their_file():
    """A model that sees votes asks for them, and gives the same after reading."""
    text = pl.DataFrame({"text": ["buy now", "hello you", "buy it now", "you again"] * 20})
    votes = np.tile(np.array([[1, -1], [-1, 0], [1, -1], [-1, -1]], dtype=np.int8), (20, 1))
    truth = np.tile([1, 0, 1, 0], 20)
    settings = EndModelSettings(features=Features(text=("text",)), votes=True)
    model = fit(
        text, np.eye(2)[truth], answers=np.where(np.arange(80) < 40, truth, -1),
        classes=CLASSES, settings=settings, seed=0, votes=votes,
    )  # fmt: skip

    again = TrainedModel.from_bytes(model.to_bytes())

    assert again.sees_votes
    np.testing.assert_array_equal(
        again.predict_proba(text, votes), model.predict_proba(text, votes)
    )
    assert (model.predict_proba(text, votes).argmax(axis=1) == truth).all()
    with pytest.raises(LabelpressError, match="was given none"):
        model.predict_proba(text)
    with pytest.raises(LabelpressError, match="trained with 2 heuristics"):
        model.predict_proba(text, votes[:, :1])


def test_training_twice_gives_the_same_bytes_of_probability(rows):
    """Same rows, same seed, same bits."""
    one, two = train(rows, 60), train(rows, 60)

    np.testing.assert_array_equal(one.predict_proba(rows), two.predict_proba(rows))


@pytest.mark.parametrize(
    ("estimator", "parameters"),
    [
        ("sklearn.ensemble.ExtraTreesClassifier", {"n_estimators": 5, "min_samples_leaf": 5}),
        ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 5}),
    ],
)
def test_any_classifier_can_be_the_program_model(rows, estimator, parameters):
    """An ensemble by import path, corrected by the answers like ours, and saved like ours."""
    settings = NUMBERS.model_copy(update={"estimator": estimator, "parameters": parameters})
    model = train(rows, 100, settings)

    again = TrainedModel.from_bytes(model.to_bytes())

    assert accuracy_of(model, rows) > 0.85
    np.testing.assert_array_equal(again.predict_proba(rows), model.predict_proba(rows))


def test_text_can_be_taught_to_a_classifier_of_counts():
    """Naive Bayes takes no feature below zero."""
    text = [f"{'spam' if n % 2 else 'ham'} word{n % 7} " + "and more " * (n % 5) for n in range(60)]
    frame, truth = pl.DataFrame({"text": text}), np.arange(60) % 2
    settings = EndModelSettings(
        features=Features(text=("text",)), estimator="sklearn.naive_bayes.MultinomialNB"
    )

    model = fit(
        frame, np.eye(2)[truth], answers=np.full(60, -1), classes=CLASSES, settings=settings, seed=0
    )

    assert (model.predict_proba(frame).argmax(axis=1) == truth).all()


@pytest.mark.parametrize(
    ("estimator", "parameters", "says"),
    [
        ("sklearn.ensemble.NoSuchForest", {}, "does not import"),
        ("nowhere.Forest", {}, "does not import"),
        ("sklearn.svm.LinearSVC", {}, "no predict_proba"),
        ("sklearn.neighbors.KNeighborsClassifier", {}, "no sample_weight"),
        ("sklearn.linear_model.LogisticRegression", {"no": 1}, r"\[end_model\] parameters"),
        ("sklearn.linear_model.LogisticRegression", {"C": -1}, "could not be fitted"),
    ],
)
def test_an_unfit_estimator_is_refused(rows, estimator, parameters, says):
    """The error names the key and says what would be right."""
    settings = NUMBERS.model_copy(update={"estimator": estimator, "parameters": parameters})

    with pytest.raises(ProjectError, match=says):
        train(rows, 0, settings)


def test_a_rare_class_counts_as_much_when_balanced(rows):
    """With balanced weights a 5 % class is named more often."""
    taught = pl.concat([rows.filter(pl.col("truth") == 0), rows.filter(pl.col("truth") == 1)[:15]])
    soft = np.eye(2)[taught["truth"].to_numpy()] * 0.6 + 0.2
    named = [
        fit(
            taught, soft, answers=np.full(taught.height, -1), classes=CLASSES,
            settings=NUMBERS.model_copy(update={"class_weight": how}), seed=0,
        ).predict_proba(rows).argmax(axis=1).sum()
        for how in ("none", "balanced")
    ]  # fmt: skip

    assert named[0] < named[1]


def test_shapes_that_disagree_are_refused(rows):
    """The error gives both."""
    with pytest.raises(LabelpressError, match=r"\(600, 2\).*\(600, 3\)"):
        fit(
            rows, np.zeros((600, 3)), answers=np.full(600, -1), classes=CLASSES,
            settings=NUMBERS, seed=0,
        )  # fmt: skip
