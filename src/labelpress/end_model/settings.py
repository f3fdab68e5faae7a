"""The `[end_model]` table of project.toml: what is trained on the labels, and on which columns."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FROZEN = ConfigDict(frozen=True, extra="forbid")

Column = Annotated[str, Field(min_length=1)]


class Features(BaseModel):
    """The columns that the end model sees; all empty means that the run chooses them by type."""

    model_config = FROZEN

    text: tuple[Column, ...] = ()
    """Free text: word and character n-grams of all of them together, and its length."""
    categorical: tuple[Column, ...] = ()
    """Names and codes: one indicator per value that is not rare."""
    numeric: tuple[Column, ...] = ()
    """Numbers and booleans: scaled, null replaced by the median."""

    @model_validator(mode="after")
    def _each_once(self) -> Features:
        twice = sorted(name for name in set(self.columns) if self.columns.count(name) > 1)
        if twice:
            raise ValueError(f"{twice[0]!r} stands there twice; a column has one kind")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them: text, then categorical, then numeric."""
        return self.text + self.categorical + self.numeric


class EndModelSettings(BaseModel):
    """The `[end_model]` table of project.toml."""

    model_config = FROZEN

    features: Features = Features()
    """The columns that it sees."""
    max_rows: Annotated[int, Field(ge=1)] = 1_000_000
    """Training sample above this, by permanent random number; the caller draws it."""
    estimator: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*[.:][A-Za-z_]\w*$")] | None = None
    """Import path of a scikit-learn classifier that takes `sample_weight`; None is ours."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of that classifier."""
    trusted: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*\.[A-Za-z_]\w*$")], ...] = ()
    """Types outside scikit-learn that the file of its model may make when it is read back."""
    calibration: Literal["auto", "none", "temperature"] = "auto"
    """Whether probabilities are made as sure as the model is right on held-out answers; `auto`
    does so for an estimator by import path, since ours is calibrated by its penalty."""
    solver: Literal["auto", "memory", "stream"] = "auto"
    """Whether all training rows are held at once, or streamed; `auto` is decided by size."""
    memory_mb: Annotated[int, Field(ge=1)] | None = None
    """What training may take of a worker, in MiB; None is half of what the worker may have."""
    predictions: bool = True
    """Whether the champion predicts every row of each label version."""
    unseen_classes: Literal["refuse", "allow"] = "refuse"
    """Whether a model is trained where a class has neither a label nor an answer."""
    class_weight: Literal["none", "balanced"] = "none"
    """`balanced` gives each class the same total weight in training."""
    votes: bool = False
    """Whether the heuristics' votes are also seen when predicting; then each prediction needs
    them, so the model cannot serve where the heuristics do not run."""
    mix: Literal["auto", "program", "answers", "offset"] = "auto"
    """How program labels and answers are combined; `auto` is decided by cross-validation."""

    distil: bool = True
    """Whether our own model, held in memory, learns an `offset` from a teacher that sees the
    votes."""

    @property
    def distils(self) -> bool:
        """Whether votes are read for a teacher."""
        ours = self.estimator is None
        return self.distil and ours and self.mix in ("auto", "offset")

    @property
    def tempered(self) -> bool:
        """Whether a temperature is learnt."""
        ours = self.estimator is None
        return self.calibration == "temperature" or (self.calibration == "auto" and not ours)

    @model_validator(mode="after")
    def _parameters_have_an_estimator(self) -> EndModelSettings:
        if self.parameters and self.estimator is None:
            raise ValueError(
                "parameters: they belong to an estimator and none is named; add estimator = "
                '"sklearn.ensemble.HistGradientBoostingClassifier", for instance'
            )
        return self
