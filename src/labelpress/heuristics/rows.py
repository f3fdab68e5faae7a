"""Rows as Python functions see them: attribute and item access, no pandas, nothing to break."""

from __future__ import annotations

from collections import namedtuple
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView, Iterator, KeysView, Sequence

    import polars as pl


class Row(tuple[Any, ...]):
    """The values of one row; a subclass made for its columns gives them names."""

    __slots__ = ()
    _places: dict[str, int] = {}  # noqa: RUF012  # set once by row_type, never changed

    def __getitem__(self, key: Any) -> Any:
        """Return a column's value by its name, as a mapping does."""
        if isinstance(key, str):
            try:
                return tuple.__getitem__(self, self._places[key])
            except KeyError:
                raise KeyError(f"{key!r}; the row has {', '.join(self._places)}") from None
        return tuple.__getitem__(self, key)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def get(self, key: str, default: Any = None) -> Any:
        """Return a column's value, or the default where there is no such column."""
        return self[key] if key in self._places else default

    def keys(self) -> KeysView[str]:
        """Return the columns' names."""
        return self._places.keys()

    def items(self) -> ItemsView[str, Any]:
        """Return names and values."""
        return dict(zip(self._places, self, strict=True)).items()

    def __repr__(self) -> str:
        return f"Row({', '.join(f'{name}={value!r}' for name, value in self.items())})"


class OpenRow(SimpleNamespace):
    """A row that Snorkel's preprocessors may copy and change."""

    def __getitem__(self, key: str) -> Any:
        return vars(self)[key]

    def __setitem__(self, key: str, value: Any) -> None:
        vars(self)[key] = value

    def __contains__(self, key: object) -> bool:
        return key in vars(self)


@lru_cache(maxsize=64)
def row_type(columns: tuple[str, ...]) -> type[Row]:
    """Return the class of rows with these columns, which can be neither changed nor extended."""
    body: dict[str, Any] = {"__slots__": ()}
    body["_places"] = {name: place for place, name in enumerate(columns)}
    # a named tuple's descriptors are twice as fast as property(itemgetter(place))
    names = [f"c{place}" for place in range(len(columns))]
    getters = namedtuple("getters", names)  # type: ignore[misc]  # noqa: PYI024  # names not literal
    for place, name in enumerate(columns):
        if not name.startswith("__"):
            body[name] = vars(getters)[f"c{place}"]
    return type("Row", (Row,), body)


def rows_of(frame: pl.DataFrame, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the frame's rows, fresh Python objects each time, with these columns only."""
    make = row_type(tuple(columns))
    if not columns:
        return (make() for _ in range(frame.height))
    return map(make, zip(*(frame[name].to_list() for name in columns), strict=True))


def open_rows_of(frame: pl.DataFrame, columns: Sequence[str]) -> Iterator[OpenRow]:
    """Yield the frame's rows as objects that may be changed."""
    make: Callable[..., OpenRow] = OpenRow
    return (make(**row) for row in frame.select(columns).iter_rows(named=True))
