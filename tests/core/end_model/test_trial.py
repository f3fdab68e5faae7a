"""The trial of an estimator: what is found before anything is spent."""

from __future__ import annotations

import pytest

from labelpress.end_model.settings import EndModelSettings, Features
from labelpress.end_model.trial import try_estimator
from labelpress.errors import ProjectError

HERE = "tests.core.end_model.estimators"


@pytest.mark.parametrize(
    "path",
    [
        "sklearn.linear_model.LogisticRegression",
        "sklearn.naive_bayes.MultinomialNB",
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "sklearn.ensemble.RandomForestClassifier",
    ],
)
def test_what_scikit_learn_holds_passes(path):
    """Linear models, naive Bayes, boosting and forests need no declaration."""
    try_estimator(EndModelSettings(estimator=path), classes=3, seed=0)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("sklearn.linear_model.NoSuch", "does not import"),
        ("no_such_package.Model", "does not import"),
        ("sklearn.svm.LinearSVC", "has no predict_proba"),
        ("sklearn.neighbors.KNeighborsClassifier", "takes no sample_weight"),
        (f"{HERE}.Unweighted", "no weights, please"),
        (f"{HERE}.Uncertain", "no numbers"),
    ],
)
def test_what_cannot_serve_is_refused(path, said):
    """Whatever is missing, the error names the estimator and what is missing."""
    with pytest.raises(ProjectError, match=said) as refused:
        try_estimator(EndModelSettings(estimator=path), classes=3, seed=0)

    assert path.rpartition(".")[2] in str(refused.value)


def test_a_strange_type_is_named_with_the_line_to_add():
    """Its model would be trained and then never be read back, so that is said at once."""
    settings = EndModelSettings(estimator=f"{HERE}.Shares")

    with pytest.raises(ProjectError, match=rf'trusted = \["{HERE}.Shares"\]'):
        try_estimator(settings, classes=3, seed=0)

    declared = settings.model_copy(update={"trusted": (f"{HERE}.Shares",)})
    try_estimator(declared, classes=3, seed=0)


def test_streaming_needs_a_weighted_partial_fit():
    """A forest is grown at once; naive Bayes counts block by block."""
    forest = EndModelSettings(estimator="sklearn.ensemble.RandomForestClassifier", solver="stream")
    with pytest.raises(ProjectError, match="partial_fit"):
        try_estimator(forest, classes=2, seed=0)

    bayes = EndModelSettings(estimator="sklearn.naive_bayes.MultinomialNB", solver="stream")
    try_estimator(bayes, classes=2, seed=0)


def test_an_estimator_that_refuses_text_is_found():
    """Text makes the features sparse, which boosting cannot read."""
    settings = EndModelSettings(
        estimator="sklearn.ensemble.HistGradientBoostingClassifier",
        features=Features(text=("body",)),
    )

    with pytest.raises(ProjectError, match="sparse"):
        try_estimator(settings, classes=3, seed=0)
