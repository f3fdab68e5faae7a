"""A cell as it is computed: what one heuristic says of the rows of one partition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Cell:
    """The votes of one heuristic, with what they took."""

    codes: NDArray[np.signedinteger] | None
    """Class codes, shape (rows,); None where they were written into the matrix already."""
    seconds: float
    """CPU seconds, this heuristic's share where several were evaluated at once."""
    faults: int = 0
    first_fault: str | None = None
    """The first exception and its row."""
