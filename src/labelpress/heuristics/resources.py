"""Resources of heuristics (word lists, pipelines, models): made once per process, when needed."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from labelpress.errors import HeuristicError
from labelpress.heuristics.definitions import Definition, Function, Model

if TYPE_CHECKING:
    from collections.abc import Mapping

# The one state of this package: what a process has made so far. It goes when its project goes.
_MADE: WeakKeyDictionary[Definition, dict[str, Any]] = WeakKeyDictionary()
_LOCK = threading.RLock()


def resources_of(name: str, definition: Definition) -> Mapping[str, Any]:
    """
    Return a heuristic's resources, making those that are given as functions on first use.

    A model's own is under "model". Raises `HeuristicError` where one cannot be made.
    """
    rule = definition.rule
    if not isinstance(rule, Model) and not (isinstance(rule, Function) and rule.resources):
        return {}
    with _LOCK:  # held while making, so that no two threads load the same model
        if definition not in _MADE:
            if isinstance(rule, Model):
                makers: dict[str, Any] = {"model": lambda: rule.load(rule.uri)}
            else:
                makers = dict(rule.resources)
            _MADE[definition] = {key: _make(name, key, maker) for key, maker in makers.items()}
        return _MADE[definition]


def _make(name: str, key: str, value: Any) -> Any:
    if not _is_maker(value):
        return value
    try:
        return value()
    except Exception as error:
        raise HeuristicError(
            f"{name}: its resource {key!r} cannot be made: {type(error).__name__}: {error}"
        ) from error


def _is_maker(value: Any) -> bool:
    """Say whether a resource is a function or class to be called without arguments."""
    if not (inspect.isroutine(value) or inspect.isclass(value) or hasattr(value, "func")):
        return False
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return False
    return all(
        p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters
    )
