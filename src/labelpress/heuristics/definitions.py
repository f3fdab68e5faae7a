"""What an author's heuristic is made of: a rule, what it may vote, and who stands behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from labelpress.bundle import Bundle

Kind = Literal[
    "expression",
    "keywords",
    "regex",
    "lookup",
    "column",
    "function",
    "batch",
    "snorkel",
    "model",
]


@dataclass(frozen=True, slots=True)
class Expression:
    """Votes by a Polars expression: a boolean with a label, or class names."""

    expr: pl.Expr
    kind: Literal["expression"] = "expression"


@dataclass(frozen=True, slots=True)
class Keywords:
    """Votes where a text contains one of the words."""

    words: tuple[str, ...]
    column: str
    ignore_case: bool
    whole_words: bool
    kind: Literal["keywords"] = "keywords"


@dataclass(frozen=True, slots=True)
class Regex:
    """Votes where a text contains a match of a linear-time regular expression."""

    pattern: str
    column: str
    kind: Literal["regex"] = "regex"


@dataclass(frozen=True, slots=True)
class Lookup:
    """Votes by a table from values of a column to class names."""

    table: Mapping[Any, str | None] | str
    """From key to class name, or the path in the project, or the URI, of such a table."""
    column: str
    key: str | None
    vote: str | None
    kind: Literal["lookup"] = "lookup"


@dataclass(frozen=True, slots=True)
class Column:
    """Takes over the votes in a column of the source."""

    column: str
    values: Mapping[Any, str | None] | None
    kind: Literal["column"] = "column"


@dataclass(frozen=True, slots=True)
class Function:
    """Votes by a Python function: of one row, or of a frame of rows (batch)."""

    function: Callable[..., Any]
    resources: Mapping[str, Any]
    kind: Literal["function", "batch"] = "function"


@dataclass(frozen=True, slots=True)
class Snorkel:
    """Votes by a Snorkel labelling function, whose integers stand for `classes`."""

    function: Callable[..., Any]
    classes: tuple[tuple[int, str], ...]
    kind: Literal["snorkel"] = "snorkel"


@dataclass(frozen=True, slots=True)
class Model:
    """Votes by a model loaded once per process from a pinned URI."""

    uri: str
    load: Callable[[str], Any]
    predict: Callable[..., Any]
    kind: Literal["model"] = "model"


Rule = Expression | Keywords | Regex | Lookup | Column | Function | Snorkel | Model


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Definition:
    """A heuristic as its author wrote it: it has no name, the module's attribute names it."""

    rule: Rule
    label: str | None = None
    """The class voted for where the rule is true; None where the rule yields class names."""
    reads: tuple[str, ...] | None = None
    """The columns a function reads; None where they are to be inferred."""
    owner: str | None = None
    why: str | None = None
    precision: float | None = None
    version: str | int | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function behind the heuristic, so that it can be tested and reused."""
        if isinstance(self.rule, Function | Snorkel):
            return self.rule.function(*args, **kwargs)
        raise TypeError(f"a {self.rule.kind} heuristic is not a function and cannot be called")


@dataclass(frozen=True, slots=True, eq=False)
class Heuristic:
    """A heuristic of a project, ready to cast votes."""

    name: str
    definition: Definition = field(repr=False)
    columns: tuple[str, ...] | None
    """The columns it reads; None where it needs all of them."""
    fingerprint: str
    """Hex digest of everything that can change a vote, and of nothing else."""
    code: str = field(default="", repr=False)
    """Its source text, for people."""
    facts: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """The parts of its fingerprint by name, so that an edit can be told in words."""
    world: tuple[str, ...] = field(default=(), repr=False)
    """What its code uses of the world outside, which no fingerprint sees: the time, chance."""
    bundle: Bundle | None = field(default=None, repr=False)
    """Where it came from; a process that runs it apart loads it from here again."""

    @property
    def kind(self) -> Kind:
        """What it is made of."""
        return self.definition.rule.kind

    @property
    def label(self) -> str | None:
        """The class it votes for; None where it yields class names itself."""
        return self.definition.label

    @property
    def owner(self) -> str | None:
        """Who answers for it."""
        return self.definition.owner

    @property
    def why(self) -> str | None:
        """Why it should be right."""
        return self.definition.why

    @property
    def precision(self) -> float | None:
        """Its author's belief: the share of its votes that are right, a prior and no more."""
        return self.definition.precision
