"""A project's source files, parsed: which statement of a module binds which name, and which act."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from labelpress.syntax_trees import built_alone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

AUTHORING = frozenset(
    {"heuristic", "keywords", "regex", "lookup", "column", "model", "from_snorkel"}
)
"""The words of labelpress that make a heuristic."""
SILENT_OPTIONS = frozenset({"owner", "why", "precision"})
"""Options of a heuristic that cannot change a vote."""
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_NEVER_TRUE = frozenset({"TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'"})


class Files(Protocol):
    """What must be known of the project's other files to follow an import."""

    def has(self, name: str) -> bool:
        """Say whether the project has this module, or a package of this name."""

    def is_package(self, name: str) -> bool:
        """Say whether a module is the `__init__.py` of its folder."""


@dataclass(frozen=True, slots=True)
class Import:
    """A name bound by an import: a module, or an attribute of one."""

    module: str
    """Dotted; inside the project, relative to its root."""
    attribute: str | None
    inside: bool
    """Whether the module is one of the project's files."""
    runs: str
    """The module that the statement executes, its parents first."""

    @property
    def origin(self) -> str:
        """What is bound, dotted."""
        return self.module if self.attribute is None else f"{self.module}.{self.attribute}"


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: which statement binds which name."""

    name: str
    source: str
    tree: ast.Module
    bindings: Mapping[str, tuple[ast.stmt, ...]]
    """The statements that bind a name at the top level, plain imports aside."""
    imports: Mapping[str, tuple[Import, ...]]
    """What the imports at the top level bind, those within `try` and `if` too."""
    always: tuple[ast.stmt, ...]
    """Statements that may act on whatever this module defines: all that call or branch."""
    effects: tuple[ast.stmt, ...]
    """Those of them that may act outside it too, as soon as it is imported."""
    stars: tuple[Import, ...]

    def is_authoring(self, call: ast.Call) -> bool:
        """Say whether a call is one of labelpress's words, not the project's own of that name."""
        return _is_authoring(call, self.imports, self.bindings, self.stars)


def parse(name: str, source: str, files: Files, *, registers: bool) -> Module:
    """
    Parse one module; `registers` says that classes of the project may note their subclasses.

    Raises `SyntaxError` where the source is no Python.
    """
    tree = built_alone(lambda: ast.parse(source))
    bindings: dict[str, list[ast.stmt]] = {}
    imports: dict[str, list[Import]] = {}
    stars: list[Import] = []
    for statement in tree.body:
        plain = isinstance(statement, ast.Import | ast.ImportFrom)
        for node in _executed(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for bound, found in imports_of(node, name, files):
                    if bound == "*":
                        stars.append(found)
                        continue
                    imports.setdefault(bound, []).append(found)
                    if not plain:
                        _note(bindings, bound, statement)
            elif isinstance(node, Definition):
                _note(bindings, node.name, statement)
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                _note(bindings, node.id, statement)
    known = {key: tuple(value) for key, value in imports.items()}
    reader = _Reader(bindings, known, tuple(stars), registers=registers)
    always = [s for s in tree.body if reader.acts(s)]
    return Module(
        name,
        source,
        tree,
        {key: tuple(value) for key, value in bindings.items()},
        known,
        tuple(always),
        tuple(s for s in always if reader.acts_outside(s)),
        tuple(stars),
    )


def imports_of(
    node: ast.Import | ast.ImportFrom, module: str, files: Files
) -> Iterator[tuple[str, Import]]:
    """Yield what an import statement binds by name; a star under the name "*"."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            head = alias.name.partition(".")[0]
            bound = alias.name if alias.asname else head
            yield alias.asname or head, Import(bound, None, files.has(head), alias.name)
        return
    origin = node.module or ""
    inside = node.level > 0 or files.has(origin.partition(".")[0])
    if node.level:
        above = module.split(".")
        kept = above[: len(above) - node.level + files.is_package(module)]
        origin = ".".join([*kept, *([origin] if origin else [])])
    for alias in node.names:
        inner = f"{origin}.{alias.name}".lstrip(".")
        runs = inner if inside and files.has(inner) else origin
        if alias.name == "*":
            yield "*", Import(origin, None, inside, origin)
        elif inside and not origin:
            yield alias.asname or alias.name, Import(alias.name, None, inside, runs)
        else:
            yield alias.asname or alias.name, Import(origin, alias.name, inside, runs)


def normalised(module: Module, statement: ast.stmt, named: str | None) -> ast.stmt:
    """
    Return a copy without what cannot change a vote, and without the statement's name if given.

    Docstrings, silent options and the types of local variables, which Python does not evaluate.
    """
    clean: ast.stmt = _Untyped().visit(copy.deepcopy(statement))
    for node in ast.walk(clean):
        if isinstance(node, Definition):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.Call) and module.is_authoring(node):
            node.keywords = [word for word in node.keywords if word.arg not in SILENT_OPTIONS]
    if named is not None:
        if isinstance(clean, ast.FunctionDef) and clean.name == named:
            clean.name = "_"
        elif (
            isinstance(clean, ast.Assign)
            and len(clean.targets) == 1
            and isinstance(clean.targets[0], ast.Name)
        ):
            clean.targets[0].id = "_"
    return clean


class _Untyped(ast.NodeTransformer):
    """Takes the types of local variables away; those of fields and arguments can be read."""

    def __init__(self) -> None:
        self._local = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._within(node, local=True)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._within(node, local=True)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._within(node, local=False)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if not self._local or not node.simple:
            return node
        if node.value is None:  # it still makes the name a local one
            return ast.copy_location(
                ast.AnnAssign(node.target, ast.Constant(None), None, simple=1), node
            )
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def _within(self, node: ast.AST, *, local: bool) -> ast.AST:
        around, self._local = self._local, local
        self.generic_visit(node)
        self._local = around
        return node


def root_of(node: ast.expr) -> str:
    """Return the name that an expression of attributes, calls and items begins with, or ""."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def last_name(node: ast.expr) -> str:
    """Return the last part of what is called or read: "regex" in `labelpress.regex`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _note(bindings: dict[str, list[ast.stmt]], name: str, statement: ast.stmt) -> None:
    known = bindings.setdefault(name, [])
    if statement not in known:
        known.append(statement)


def _executed(statement: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a statement that run with it: not what is inside functions or classes."""
    yield statement
    if isinstance(statement, Definition | ast.Lambda):
        return
    for inner in ast.iter_child_nodes(statement):
        yield from _executed(inner)


def _is_authoring(
    call: ast.Call,
    imports: Mapping[str, Sequence[Import]],
    bindings: Mapping[str, object],
    stars: Iterable[Import],
) -> bool:
    if last_name(call.func) not in AUTHORING:
        return False
    root = root_of(call.func)
    if root in bindings:
        return False
    found = imports.get(root, ()) or (() if isinstance(call.func, ast.Attribute) else stars)
    return any(not i.inside and i.module.partition(".")[0] == "labelpress" for i in found)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Tells which top-level statements of a module do more than give a name to a value."""

    bindings: Mapping[str, Sequence[ast.stmt]]
    imports: Mapping[str, Sequence[Import]]
    stars: Sequence[Import]
    registers: bool

    def acts(self, statement: ast.stmt) -> bool:  # noqa: PLR0911  # one return per kind
        """Say whether a statement may act on what its module defines."""
        match statement:
            case ast.Pass() | ast.Import() | ast.ImportFrom():
                return False
            case ast.Expr(value=ast.Constant()):
                return False
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return self._registers(statement)
            case ast.Assign(targets=targets, value=value):
                pass
            case ast.AnnAssign(target=target, value=value):
                targets = [target]
            case ast.If(test=test, orelse=otherwise) if ast.unparse(test) in _NEVER_TRUE:
                return any(map(self.acts, otherwise))
            case _:
                return True
        if not all(isinstance(target, ast.Name | ast.Tuple) for target in targets):
            return True
        if value is None:
            return False
        calls = [node for node in ast.walk(value) if isinstance(node, ast.Call)]
        if isinstance(value, ast.Call) and _is_authoring(
            value, self.imports, self.bindings, self.stars
        ):
            return any(self._takes_away(call) for call in calls)
        return bool(calls)

    def acts_outside(self, statement: ast.stmt) -> bool:
        """Say whether a statement that acts may act outside its module."""
        match statement:
            case ast.Assign(targets=targets, value=value):
                pass
            case ast.AnnAssign(target=target, value=value):
                targets = [target]
            case ast.If() | ast.Try() | ast.With():
                inner = [s for s in ast.iter_child_nodes(statement) if isinstance(s, ast.stmt)]
                for handler in getattr(statement, "handlers", []):
                    inner += handler.body
                return any(self.acts(s) and self.acts_outside(s) for s in inner)
            case _:
                return True
        if not all(isinstance(target, ast.Name | ast.Tuple) for target in targets):
            return True
        return value is not None and self._calls_inside(value, followed=True)

    def _calls_inside(self, node: ast.AST, *, followed: bool) -> bool:
        """Say whether another module of the project is called, here or by a function of this."""
        for call in ast.walk(node):
            if not isinstance(call, ast.Call):
                continue
            root = root_of(call.func)
            if any(bound.inside for bound in self.imports.get(root, ())):
                return True
            if followed and any(
                isinstance(s, Definition) and self._calls_inside(s, followed=False)
                for s in self.bindings.get(root, ())
            ):
                return True
        return False

    def _takes_away(self, call: ast.Call) -> bool:
        """Say whether a call may change a value of the module: `waiting.pop()`, `next(rules)`."""
        root = root_of(call.func)
        values = [s for s in self.bindings.get(root, ()) if not isinstance(s, Definition)]
        return root == "next" or (bool(values) and isinstance(call.func, ast.Attribute))

    def _registers(self, statement: Definition) -> bool:
        """Say whether a definition is handed to code of the project, which may keep it."""
        handed = [d.func if isinstance(d, ast.Call) else d for d in statement.decorator_list]
        if isinstance(statement, ast.ClassDef):
            if any(self._acts_in_class(inner) for inner in statement.body):
                return True
            if self.registers:
                handed += [*statement.bases, *(word.value for word in statement.keywords)]
        names = {n.id for node in handed for n in ast.walk(node) if isinstance(n, ast.Name)}
        return any(
            name in self.bindings or any(i.inside for i in self.imports.get(name, ()))
            for name in names
        )

    def _acts_in_class(self, statement: ast.stmt) -> bool:
        return not isinstance(statement, Definition | ast.Assign | ast.AnnAssign) and self.acts(
            statement
        )
