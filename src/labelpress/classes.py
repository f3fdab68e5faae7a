"""Classes and their codes: a class keeps its code for ever, whatever the order in project.toml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labelpress.errors import LabelpressError, ProjectError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

ABSTAIN = -1
"""The code of "no vote" in a vote matrix and of "no answer" in an answer array."""


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of one store, by code."""

    names: tuple[str, ...]
    """Class names; a name's position is its code."""

    def __len__(self) -> int:
        return len(self.names)

    def code(self, name: str) -> int:
        """
        Return the code of a class.

        Raises `LabelpressError` with the nearest known name where there is no such class.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise LabelpressError(
                f"{name!r} is not a class; the classes are {', '.join(map(repr, self.names))}."
                f"{did_you_mean(name, self.names)}"
            ) from None

    @property
    def dtype(self) -> np.dtype[np.signedinteger]:
        """The integer type of a vote matrix: int8, or int16 above 127 classes."""
        return np.dtype(np.int8 if len(self.names) <= np.iinfo(np.int8).max else np.int16)


def register(registered: Classes, declared: Sequence[str]) -> Classes:
    """
    Return the registry after a project declares its classes; new names get the next codes.

    The registry only grows: a label of an old version must mean the same for ever.
    Raises `ProjectError` where a registered class is no longer declared.
    """
    missing = [name for name in registered.names if name not in declared]
    fresh = tuple(name for name in declared if name not in registered.names)
    if missing:
        near = did_you_mean(missing[0], fresh).replace("Did you mean", "Is it meant by")
        raise ProjectError(
            f"project.toml, [classes] names: {missing[0]!r} is in the store's registry but no "
            "longer declared. Classes are never removed, because older label versions use them: "
            f"put it back (a heuristic need not vote for it).{near}"
        )
    return Classes(registered.names + fresh)
