"""Features: from the columns of a frame to a matrix, text, categories and numbers side by side."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from scipy import sparse
from sklearn.preprocessing import OneHotEncoder

from labelpress.end_model.ngrams import Kind, Ngrams, fit_ngrams
from labelpress.end_model.settings import Features
from labelpress.end_model.text_length import TextLength, fit_text_length
from labelpress.errors import SourceError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.end_model.softmax import Floats, Matrix

NGRAM_CHARACTERS: Final = 2_000_000
"""
Character n-grams are used up to this many characters. On news they added 1.4 points of accuracy
with 500 rows and 0.3 with 8,000, at eight times the time.
"""
TRIPLE_CHARACTERS: Final = 500_000
"""
Runs of three words are used up to this many characters. Of 1.3 million they made 7,000 false
n-grams beside 47,000 true ones: so many occur once that their hash values meet.
"""
_BEFORE: Final[Mapping[Kind, int]] = {"words": 2, "characters": 5}
"""How long n-grams are in models that do not say so."""
_MISSING: Final = "\x00missing"
_RARE: Final = 3


@dataclass(frozen=True, slots=True)
class FittedFeatures:
    """What turns frames with the same columns into matrices with the same columns."""

    features: Features
    ngrams: tuple[Ngrams, ...]
    """Of words, then of characters where the text was short enough."""
    encoder: Any | None
    medians: Floats
    """Per numeric column; stand for null, NaN and infinity."""
    means: Floats
    scales: Floats
    text_length: TextLength | None = None
    """None where no n-gram repeats or all texts are equally long, and in models of format 2."""

    def transform(self, frame: pl.DataFrame) -> Matrix:
        """
        Return the features, shape (n, d): CSR where there is text or a category, else an array.

        Each kind of column contributes about one to a row's squared length, so one penalty fits
        all. Raises `SourceError` where the frame lacks a column.
        """
        _check_columns(frame, self.features)
        blocks: list[Matrix] = []
        if self.ngrams:
            text = joined_text(frame, self.features.text)
            blocks.extend(ngrams.transform(text) for ngrams in self.ngrams)
            if self.text_length is not None:
                blocks.append(self.text_length.transform(text))
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
            "ngrams": [asdict(ngrams) for ngrams in self.ngrams],
            "encoder": self.encoder,
            "medians": self.medians,
            "means": self.means,
            "scales": self.scales,
            "text_length": None if self.text_length is None else asdict(self.text_length),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> FittedFeatures:
        """Return the features whose `state` this was."""
        length, ngrams = state.get("text_length"), state["ngrams"]
        kept = {
            **state,
            "features": Features(**state["features"]),
            "ngrams": tuple(Ngrams(**{"longest": _BEFORE[one["kind"]], **one}) for one in ngrams),
            "text_length": None if length is None else TextLength(**length),
        }
        return cls(**kept)


def fit_features(
    frame: pl.DataFrame, features: Features, stands_for: int | None = None
) -> FittedFeatures:
    """
    Learn vocabulary, categories, medians and scales from a frame.

    Where the frame is a sample that `stands_for` more rows, their text decides whether characters
    and runs of three words are used.

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
    times = 1.0 if stands_for is None else stands_for / max(frame.height, 1)
    text = joined_text(frame, features.text) if features.text else []
    ngrams = _fit_text(text, times)
    fitted = FittedFeatures(
        features=features,
        ngrams=ngrams,
        encoder=_fit_encoder(frame, features.categorical) if features.categorical else None,
        medians=medians,
        means=filled.mean(axis=0),
        scales=np.where(spread > 0, spread, 1.0),
        text_length=fit_text_length(text) if ngrams else None,
    )
    if not (fitted.ngrams or fitted.encoder or features.numeric):
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


def _fit_text(text: list[str], times: float) -> tuple[Ngrams, ...]:
    characters = times * sum(map(len, text))
    kinds: dict[Kind, int] = {"words": 3 if characters <= TRIPLE_CHARACTERS else 2}
    if characters <= NGRAM_CHARACTERS:
        kinds["characters"] = 5
    fitted = [fit_ngrams(text, kind, longest) for kind, longest in kinds.items()]
    return tuple(ngrams for ngrams in fitted if len(ngrams.buckets))


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
