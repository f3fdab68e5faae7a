"""What a statement mentions: names with the attributes that follow them, texts, and imports."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labelpress.heuristics.modules import imports_of, last_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labelpress.heuristics.modules import Files, Import, Module


DYNAMIC = frozenset(
    {
        "__globals__",
        "__import__",
        "__subclasses__",
        "_getframe",
        "compile",
        "eval",
        "exec",
        "f_globals",
        "getmodule",
        "globals",
        "import_module",
        "locals",
        "modules",
        "resolve_name",
        "run_module",
        "run_path",
        "vars",
    }
)
"""Names whose use hides what else is reached."""
READS_TEXT = frozenset({"__doc__", "getdoc", "getsource", "getsourcelines"})
"""Names whose use makes docstrings and source text count."""
_DYNAMIC_PACKAGES = frozenset({"importlib", "runpy", "imp"})
_FOLLOWED = ("importlib.resources", "importlib.metadata")


@dataclass(frozen=True, slots=True)
class Mentions:
    """What one statement of a module mentions."""

    loaded: frozenset[str]
    """Names that are read, builtins and local ones too."""
    stored: frozenset[str]
    """Names that are bound in it."""
    attributes: frozenset[str]
    texts: frozenset[str]
    own_imports: frozenset[str]
    """Names bound by imports in it."""
    trails: tuple[tuple[str, Import, tuple[str, ...]], ...]
    """Each imported name in use, what it may stand for, and the attributes read from it."""
    reads_any_file: bool
    """Whether a file of the project is read whose name is not written out."""

    @property
    def hides(self) -> bool:
        """Whether code is looked up here in a way that cannot be followed."""
        if (self.loaded | (self.attributes - {"compile"})) & DYNAMIC:  # re.compile is harmless
            return True
        return any(
            (bound.attribute or "") in DYNAMIC - {"compile"} or _hides(bound, trail)
            for _, bound, trail in self.trails
            if not bound.inside
        )

    @property
    def reads_text(self) -> bool:
        """Whether docstrings or source text may matter."""
        return bool((self.loaded | self.attributes) & READS_TEXT)


def mentions_of(statement: ast.stmt, module: Module, files: Files) -> Mentions:
    """Return what a statement of a module mentions."""
    visitor = _Visitor(module, files)
    visitor.visit(statement)
    return Mentions(
        frozenset(visitor.loaded),
        frozenset(visitor.stored),
        frozenset(visitor.attributes),
        frozenset(visitor.texts),
        frozenset(visitor.imports),
        tuple(visitor.followed()),
        visitor.reads_any_file,
    )


class _Visitor(ast.NodeVisitor):
    def __init__(self, module: Module, files: Files) -> None:
        self._module = module
        self._files = files
        self.loaded: set[str] = set()
        self.stored: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: set[str] = set()
        self.imports: dict[str, list[Import]] = {}
        self.reads_any_file = False
        self._trails: set[tuple[str, tuple[str, ...]]] = set()

    def followed(self) -> Iterator[tuple[str, Import, tuple[str, ...]]]:
        """Yield the imports in use; one that nothing uses is there for what it does."""
        used = {name for name, _ in self._trails} | self._module.imports.keys()
        unused = {(name, ()) for name in self.imports.keys() - used}
        for name, trail in sorted(self._trails | unused):
            for bound in self.imports.get(name) or self._module.imports.get(name, ()):
                yield name, bound, trail

    def visit_Attribute(self, node: ast.Attribute) -> None:
        trail: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            trail.append(inner.attr)
            inner = inner.value
        self.attributes.update(trail)
        if {"get_data", "__loader__", "resources"} & set(trail):
            self.reads_any_file = True
        if isinstance(inner, ast.Name):
            self.loaded.add(inner.id)
            self._trails.add((inner.id, tuple(reversed(trail))))
        else:
            self.visit(inner)

    def visit_Call(self, node: ast.Call) -> None:
        before = self.reads_any_file
        self.visit(node.func)
        if last_name(node.func) == "get_data" and node.args and self._is_text(node.args[-1]):
            self.reads_any_file = before
        for part in (*node.args, *node.keywords):
            self.visit(part)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.loaded.add(node.id)
            self._trails.add((node.id, ()))
            found = self.imports.get(node.id) or self._module.imports.get(node.id, ())
            if node.id == "__loader__" or any(
                bound.attribute == "get_data" or bound.origin.startswith("importlib.resources")
                for bound in found
            ):
                self.reads_any_file = True
        else:
            self.stored.add(node.id)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.texts.add(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        self.stored.add(node.arg)
        if node.annotation is not None:
            self.visit(node.annotation)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.stored.add(node.name)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.stored.add(node.name)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.stored.add(node.name)
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self._import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._import(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for name, bound in imports_of(node, self._module.name, self._files):
            self.imports.setdefault(name, []).append(bound)

    def _is_text(self, node: ast.expr) -> bool:
        """Say whether an expression is a text that the sources write out."""
        if isinstance(node, ast.Name):
            statements: Mapping[str, tuple[ast.stmt, ...]] = self._module.bindings
            found = statements.get(node.id, ())
            return len(found) == 1 and node.id not in self.stored and _is_constant(found[0])
        return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)


def _hides(bound: Import, trail: tuple[str, ...]) -> bool:
    """Say whether an imported name stands for machinery that imports what it is told to."""
    whole = ".".join((bound.origin, *trail))
    if bound.module.partition(".")[0] not in _DYNAMIC_PACKAGES:
        return False
    return not whole.startswith(_FOLLOWED)
