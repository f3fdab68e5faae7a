"""
The errors that labelpress raises: each says what, which value, where, and what to do next.

Every class takes one message, so each instance survives the pickling between a worker and the
flow. Catch `LabelpressError` for all of them.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class LabelpressError(Exception):
    """Anything labelpress refuses to do; the message says why and what to do next."""


class ProjectError(LabelpressError):
    """The project's files are wrong: a key of project.toml, or a module that does not import."""


class SourceError(LabelpressError):
    """The source cannot be labelled: a file, column, type or id is not as it must be."""


class HeuristicError(LabelpressError):
    """A heuristic is written wrongly, votes nonsense, or sees more than one row."""


class UnknownClassError(HeuristicError):
    """A heuristic votes for a class that is not declared; it is never taken for an abstain."""


class StoreError(LabelpressError):
    """The store cannot be used: foreign, newer, not writable, or damaged."""


class PublicationRefusedError(LabelpressError):
    """A label set must not be published: somebody else was first, or a precondition fails."""


class AnswerError(LabelpressError):
    """An answer cannot be taken: unknown ask, unknown class, or a damaged file."""


class ExchangeError(LabelpressError):
    """A server that shows asks to experts refused what it was sent, or answered nonsense."""


class ServerDownError(ExchangeError):
    """Such a server is not there, or failed by itself: trying again later may help."""


class PartitionsFailedError(LabelpressError):
    """Work on some partitions failed; the message names each with its reason."""


class ClusterError(LabelpressError):
    """The Dask cluster cannot do the work: no workers, or other versions than the flow."""


class TrackingError(LabelpressError):
    """The MLflow tracking server cannot be reached or refused what it was sent."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest known word, or an empty string."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""
