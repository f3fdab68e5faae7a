"""Features: from the columns of a frame to a matrix, text, categories and numbers side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import OneHotEncoder

from labelpress.end_model.settings import Features
from labelpress.errors import SourceError, did_you_mean

if TYPE_CHECKING:
    from labelpress.end_model.softmax import Floats, Matrix

NGRAM_CHARACTERS: Final = 20_000_000
"""Character n-grams are used up to this many characters: they take some 50 bytes for each."""
_WORDS: Final = 200_000
_WORD: Final = r"(?u)\b\w+\b"
"""Single letters count: scikit-learn's default drops words such as `a` and `I`."""
_CHARACTER_WEIGHT: Final = 0.5
_MISSING: Final = "\x00missing"
_RARE: Final = 3


@dataclass(frozen=True, slots=True)
class FittedFeatures:
    """What turns frames with the same columns into matrices with the same columns."""

    features: Features
    vectorizers: tuple[Any, ...]
    """TF-IDF of words, then of characters where the text was short enough."""
    encoder: Any | None
    medians: Floats
    """Per numeric column; stand for null, NaN and infinity."""
    means: Floats
    scales: Floats

    def transform(self, frame: pl.DataFrame) -> Matrix:
        """
        Return the features, shape (n, d): CSR where there is text or a category, else an array.

        Each kind of column contributes about one to a row's squared length, so one penalty fits
        all. Raises `SourceError` where the frame lacks a column.
        """
        _check_columns(frame, self.features)
        blocks: list[Matrix] = []
        if self.vectorizers:
            text = joined_text(frame, self.features.text)
            for position, vectorizer in enumerate(self.vectorizers):
                weight = _CHARACTER_WEIGHT if position else 1.0
                blocks.append(vectorizer.transform(text) * weight)
        if self.encoder is not None:
            named = _categories(frame, self.features.categorical)
            blocks.append(self.encoder.transform(named) / np.sqrt(named.shape[1]))
        if self.features.numeric:
            numbers = _numbers(frame, self.features.numeric)
            filled = np.where(np.isfinite(numbers), numbers, self.medians)
            scaled = (filled - self.means) / self.scales / np.sqrt(numbers.shape[1])
            if not blocks:
                return scaled
            blocks.append(sparse.csr_matrix(scaled))
        return sparse.hstack(blocks, format="csr")

    def state(self) -> dict[str, Any]:
        """Return plain values and scikit-learn objects that `from_state` takes."""
        return {
            "features": self.features.model_dump(mode="json"),
            "vectorizers": list(self.vectorizers),
            "encoder": self.encoder,
            "medians": self.medians,
            "means": self.means,
            "scales": self.scales,
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> FittedFeatures:
        """Return the features whose `state` this was."""
        kept = {**state, "features": Features(**state["features"])}
        return cls(**{**kept, "vectorizers": tuple(state["vectorizers"])})


def fit_features(frame: pl.DataFrame, features: Features) -> FittedFeatures:
    """
    Learn vocabulary, categories, medians and scales from a frame.

    A word or character n-gram must occur in two rows. Without that rule the n-grams of a row that
    is held out of the fit take up much of its length though nothing is known of them, and what a
    correction learns on held-out rows is off for new ones, whose unknown n-grams are dropped.
    Raises `SourceError` where the frame lacks a column or no feature is left.
    """
    _check_columns(frame, features)
    numbers = _numbers(frame, features.numeric)
    finite = np.where(np.isfinite(numbers), numbers, np.nan)
    medians = np.array([_median(column) for column in finite.T])
    filled = np.where(np.isfinite(numbers), numbers, medians)
    spread = filled.std(axis=0)
    fitted = FittedFeatures(
        features=features,
        vectorizers=_fit_text(joined_text(frame, features.text)) if features.text else (),
        encoder=_fit_encoder(frame, features.categorical) if features.categorical else None,
        medians=medians,
        means=filled.mean(axis=0),
        scales=np.where(spread > 0, spread, 1.0),
    )
    if not (fitted.vectorizers or fitted.encoder or features.numeric):
        raise SourceError(
            f"no feature is left of the columns {', '.join(map(repr, features.columns))}: no word "
            "occurs in two rows. Name other columns in project.toml, [end_model] features."
        )
    return fitted


def joined_text(frame: pl.DataFrame, columns: tuple[str, ...]) -> list[str]:
    """Return the text columns of each row as one string; null counts as empty."""
    text = pl.concat_str(
        [pl.col(name).cast(pl.String).fill_null("") for name in columns], separator="\n"
    )
    return frame.select(text.alias("text")).to_series().to_list()


def _fit_text(text: list[str]) -> tuple[Any, ...]:
    words = TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=2,
        token_pattern=_WORD,
        max_features=_WORDS,
    )
    characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2, max_features=_WORDS
    )
    wanted = [words]
    if sum(map(len, text)) <= NGRAM_CHARACTERS:
        wanted.append(characters)
    return tuple(fitted for fitted in wanted if _fitted(fitted, text))


def _fitted(vectorizer: Any, text: list[str]) -> bool:
    try:
        vectorizer.fit(text)
    except ValueError as error:
        # Scikit-learn's way to say that nothing occurs often enough.
        if "no terms remain" in str(error) or "empty vocabulary" in str(error):
            return False
        raise
    return True


def _fit_encoder(frame: pl.DataFrame, columns: tuple[str, ...]) -> Any:
    encoder = OneHotEncoder(
        min_frequency=_RARE, handle_unknown="infrequent_if_exist", dtype=np.float64
    )
    return encoder.fit(_categories(frame, columns))


def _categories(frame: pl.DataFrame, columns: tuple[str, ...]) -> np.ndarray[Any, Any]:
    named = [frame[name].cast(pl.String).fill_null(_MISSING).to_list() for name in columns]
    return np.array(named, dtype=object).reshape(len(columns), frame.height).T


def _numbers(frame: pl.DataFrame, columns: tuple[str, ...]) -> Floats:
    if not columns:
        return np.zeros((frame.height, 0))
    values = [frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in columns]
    return np.column_stack(values)


def _median(column: Floats) -> float:
    known = column[~np.isnan(column)]
    return float(np.median(known)) if len(known) else 0.0


def _check_columns(frame: pl.DataFrame, features: Features) -> None:
    for name in features.columns:
        if name not in frame.columns:
            raise SourceError(
                f"the end model reads column {name!r}, and the rows have "
                f"{', '.join(map(repr, frame.columns))}.{did_you_mean(name, frame.columns)} "
                "Add the column to the data or take it out of project.toml, [end_model] features."
            )
