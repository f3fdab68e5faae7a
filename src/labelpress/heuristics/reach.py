"""
Which parts of a project's sources can change what a heuristic votes, found in the syntax trees.

Nothing is executed. Where a name cannot be followed, the whole module counts, and where code is
looked up at run time, the whole project: to recompute too much is cheap, a stale vote is a wrong
label.
"""

from __future__ import annotations

import ast
import builtins
import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labelpress.bundle import Bundle

DYNAMIC = frozenset({"eval", "exec", "globals", "__import__", "import_module", "compile"})
"""Names whose use hides what else is reached."""
SILENT_OPTIONS = frozenset({"owner", "why", "precision"})
"""Options of a heuristic that cannot change a vote."""
AUTHORING = frozenset(
    {"heuristic", "keywords", "regex", "lookup", "column", "model", "from_snorkel"}
)
_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__", "__package__"}


@dataclass(frozen=True, slots=True)
class Import:
    """A name bound by an import: a module, or an attribute of one."""

    module: str
    """Dotted; inside the project, relative to its root."""
    attribute: str | None
    inside: bool
    """Whether the module is one of the project's files."""


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: which statement binds which name."""

    name: str
    source: str
    tree: ast.Module
    bindings: Mapping[str, tuple[ast.stmt, ...]]
    """The statements that bind a name at the top level, imports aside."""
    imports: Mapping[str, Import]
    always: tuple[ast.stmt, ...]
    """Statements that may act on whatever this module defines: all that call or branch."""
    effects: tuple[ast.stmt, ...]
    """Those of them that may act outside it too, as soon as it is imported: no assignments."""
    stars: tuple[Import, ...]


@dataclass(slots=True)
class Reach:
    """What a heuristic's votes depend on, as far as the sources tell."""

    definitions: dict[tuple[str, int], str] = field(default_factory=dict)
    """Normalised syntax trees by module and position; only the texts count."""
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    """For people: what each of these statements binds."""
    packages: set[str] = field(default_factory=set)
    """Top-level names of the packages used that are not part of the project."""
    texts: set[str] = field(default_factory=set)
    """String constants, any of which may name a file of the project."""
    whole: set[str] = field(default_factory=set)
    """Modules that count as a whole."""

    @property
    def trees(self) -> list[str]:
        """The normalised trees, without regard to where they stand."""
        return sorted(self.definitions.values())

    @property
    def named_trees(self) -> dict[str, list[str]]:
        """The normalised trees by what they bind."""
        found: dict[str, list[str]] = {}
        for key, tree in sorted(self.definitions.items()):
            found.setdefault(self.names[key], []).append(tree)
        return found


class Sources:
    """The syntax trees of a project's modules, each parsed when it is first needed."""

    def __init__(self, bundle: Bundle) -> None:
        self._files = {_module_name(p): p for p in bundle.paths if p.endswith(".py")}
        self.bundle = bundle
        self._modules: dict[str, Module] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The dotted names of all modules of the project."""
        return tuple(self._files)

    def has(self, name: str) -> bool:
        """Say whether the project has this module, or a package of this name."""
        return name in self._files or any(known.startswith(f"{name}.") for known in self._files)

    def is_package(self, name: str) -> bool:
        """Say whether a module is the `__init__.py` of its folder."""
        return self._files.get(name, "").endswith("__init__.py")

    def module(self, name: str) -> Module | None:
        """Return a module, or None where it is a folder without `__init__.py`."""
        if name not in self._files:
            return None
        if name not in self._modules:
            path = self._files[name]
            source = self.bundle.read(path).decode("utf-8", errors="replace")
            self._modules[name] = _parse(name, source, self)
        return self._modules[name]

    def reach(self, module: str, name: str) -> Reach | None:
        """
        Return what the value bound to a name depends on; None where no statement binds it.

        The heuristic's own name and its silent options are left out of the trees.
        """
        found = Reach()
        place = self._origin(module, name)
        if place is None:
            return None
        for statement in place[0].bindings[place[1]]:
            self._add(found, place[0], statement, named=place[1])
        return found

    def reach_all(self) -> Reach:
        """Return the whole project as what is reached."""
        found = Reach()
        for name in self._files:
            self._add_module(found, name)
        return found

    def source_of(self, module: str, name: str) -> str:
        """Return the source text that binds a name, decorators included; "" where there is none."""
        place = self._origin(module, name)
        if place is None:
            return ""
        lines = place[0].source.splitlines()
        texts = []
        for statement in place[0].bindings[place[1]]:
            decorators = getattr(statement, "decorator_list", [])
            first = min([statement.lineno, *(node.lineno for node in decorators)])
            texts.append("\n".join(lines[first - 1 : statement.end_lineno]))
        return "\n".join(texts)

    def function(self, module: str, name: str) -> tuple[Module, ast.FunctionDef] | None:
        """Return the definition of a function that a name stands for, imports followed."""
        place = self._origin(module, name)
        if place is None:
            return None
        for statement in place[0].bindings[place[1]]:
            if isinstance(statement, ast.FunctionDef):
                return place[0], statement
        return None

    def _origin(self, module: str, name: str) -> tuple[Module, str] | None:
        """Follow imports from a name to the module whose statements bind it."""
        seen = set()
        while (module, name) not in seen:
            seen.add((module, name))
            parsed = self.module(module)
            if parsed is None:
                return None
            if name in parsed.bindings:
                return parsed, name
            bound = parsed.imports.get(name)
            if bound is None or not bound.inside or bound.attribute is None:
                return None
            module, name = bound.module, bound.attribute
        return None

    def _add_module(self, found: Reach, name: str) -> None:
        if name in found.whole:
            return
        found.whole.add(name)
        parsed = self.module(name)
        if parsed is None:
            return
        for statement in parsed.tree.body:
            self._add(found, parsed, statement)

    def _add_name(self, found: Reach, module: Module, name: str) -> bool:
        """Add what a name of a module stands for; False where the module does not bind it."""
        if name in module.bindings:
            for statement in module.bindings[name]:
                self._add(found, module, statement)
            return True
        if name in module.imports:
            self._add_import(found, module.imports[name], ())
            return True
        return False

    def _add_import(self, found: Reach, bound: Import, trail: tuple[str, ...]) -> None:
        """Add what an imported name, followed by attributes, stands for."""
        if not bound.inside:
            found.packages.add(bound.module.partition(".")[0])
            return
        name = bound.module
        steps = trail if bound.attribute is None else (bound.attribute, *trail)
        while steps and self.has(f"{name}.{steps[0]}"):
            name, steps = f"{name}.{steps[0]}", steps[1:]
        parsed = self.module(name)
        if parsed is None or not steps or not self._add_attribute(found, parsed, steps):
            self._add_module(found, name)

    def _add_attribute(self, found: Reach, module: Module, steps: tuple[str, ...]) -> bool:
        name = steps[0]
        if name in module.imports and name not in module.bindings:
            self._add_import(found, module.imports[name], steps[1:])
            return True
        return self._add_name(found, module, name)

    def _add(
        self, found: Reach, module: Module, statement: ast.stmt, named: str | None = None
    ) -> None:
        key = (module.name, statement.lineno * 10_000 + statement.col_offset)
        if key in found.definitions:
            return
        clean = _normalised(statement, named)
        found.definitions[key] = ast.dump(clean)
        found.names[key] = _described(module.name, statement, named)
        for always in module.always:
            self._add(found, module, always)
        for bound in module.imports.values():
            imported = self.module(bound.module) if bound.inside else None
            for effect in imported.effects if imported is not None else ():
                self._add(found, module=imported or module, statement=effect)
        for star in module.stars:
            self._add_import(found, star, ())
        self._add_uses(found, module, clean)

    def _add_uses(self, found: Reach, module: Module, statement: ast.stmt) -> None:
        """Add what the names, imports and texts of one normalised statement stand for."""
        local = _Names(self, module.name)
        local.visit(statement)
        found.texts |= local.texts
        for bound, trail in local.trails(module.imports):
            self._add_import(found, bound, trail)
        if local.loaded & DYNAMIC:
            for other in self._files:
                self._add_module(found, other)
        for name in sorted(local.loaded - local.imports.keys() - module.imports.keys()):
            if not (
                self._add_name(found, module, name) or name in local.stored or name in _BUILTINS
            ):
                self._add_module(found, module.name)


def _described(module: str, statement: ast.stmt, named: str | None) -> str:
    """Name a statement as a person would: by what it binds."""
    if named is not None:
        return "its own code"
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return f"{module}.{statement.name}"
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    bound = [target.id for target in targets if isinstance(target, ast.Name)]
    return f"{module}.{bound[0]}" if bound else f"module-level code of {module}"


class _Names(ast.NodeVisitor):
    """Collects the names that a statement uses, with the attributes that follow them."""

    def __init__(self, sources: Sources, module: str) -> None:
        self._sources = sources
        self._module = module
        self.loaded: set[str] = set()
        self.stored: set[str] = set()
        self.texts: set[str] = set()
        self.imports: dict[str, Import] = {}
        self._trails: set[tuple[str, tuple[str, ...]]] = set()

    def trails(self, outer: Mapping[str, Import]) -> Iterable[tuple[Import, tuple[str, ...]]]:
        """Return each imported name in use with the attributes read from it."""
        unused = {(name, ()) for name in self.imports.keys() - {n for n, _ in self._trails}}
        for name, trail in sorted(self._trails | unused):
            bound = self.imports.get(name) or outer.get(name)
            if bound is not None:
                yield bound, trail

    def visit_Attribute(self, node: ast.Attribute) -> None:
        trail: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            trail.append(inner.attr)
            inner = inner.value
        self.loaded |= DYNAMIC & set(trail) - {"compile"}  # re.compile is harmless
        if isinstance(inner, ast.Name):
            self.loaded.add(inner.id)
            self._trails.add((inner.id, tuple(reversed(trail))))
        else:
            self.visit(inner)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.loaded.add(node.id)
            self._trails.add((node.id, ()))
        else:
            self.stored.add(node.id)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.texts.add(node.value)

    def visit_arg(self, node: ast.arg) -> None:
        self.stored.add(node.arg)

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
        self.imports.update(_imports(node, self._module, self._sources))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.imports.update(_imports(node, self._module, self._sources))


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _parse(name: str, source: str, sources: Sources) -> Module:
    tree = ast.parse(source)
    bindings: dict[str, list[ast.stmt]] = {}
    imports: dict[str, Import] = {}
    always: list[ast.stmt] = []
    stars: list[Import] = []
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            bound = _imports(statement, name, sources)
            star = bound.pop("*", None)
            if star is not None:
                stars.append(star)
            imports.update(bound)
        elif isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            bindings.setdefault(statement.name, []).append(statement)
        else:
            for bound_name in _bound_names(statement):
                bindings.setdefault(bound_name, []).append(statement)
            if _acts(statement):
                always.append(statement)
    always += [s for s in tree.body if _registers(s, bindings, imports)]
    return Module(
        name,
        source,
        tree,
        {key: tuple(value) for key, value in bindings.items()},
        imports,
        tuple(always),
        tuple(s for s in always if not isinstance(s, ast.Assign | ast.AnnAssign)),
        tuple(stars),
    )


def _bound_names(statement: ast.stmt) -> set[str]:
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }


def _acts(statement: ast.stmt) -> bool:
    """Say whether a top-level statement may do more than give a name to a value."""
    if isinstance(statement, ast.Pass):
        return False
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return False
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        if all(isinstance(target, ast.Name) for target in targets):
            value = statement.value
            if isinstance(value, ast.Call) and _called(value) in AUTHORING:
                return False
            return value is not None and any(isinstance(n, ast.Call) for n in ast.walk(value))
    return True


def _registers(
    statement: ast.stmt, bindings: Mapping[str, object], imports: Mapping[str, Import]
) -> bool:
    """Say whether a definition is handed to a decorator of the project, which may keep it."""
    if not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return False
    names = {
        node.id
        for decorator in statement.decorator_list
        for node in ast.walk(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if isinstance(node, ast.Name)
    }
    return any(name in bindings or (name in imports and imports[name].inside) for name in names)


def _called(call: ast.Call) -> str:
    """Return the last part of what is called: "regex" in `labelpress.regex(...)`."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _imports(node: ast.Import | ast.ImportFrom, module: str, sources: Sources) -> dict[str, Import]:
    """Return what an import statement binds; a star under the name "*"."""
    bound: dict[str, Import] = {}
    if isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            inside = sources.has(alias.name.partition(".")[0])
            bound[alias.asname or name] = Import(name, None, inside)
        return bound
    origin = node.module or ""
    inside = node.level > 0 or sources.has(origin.partition(".")[0])
    if node.level:
        above = module.split(".")
        kept = above[: len(above) - node.level + sources.is_package(module)]
        origin = ".".join([*kept, *([origin] if origin else [])])
    for alias in node.names:
        if alias.name == "*":
            bound["*"] = Import(origin, None, inside)
        elif inside and not origin:
            bound[alias.asname or alias.name] = Import(alias.name, None, inside)
        else:
            bound[alias.asname or alias.name] = Import(origin, alias.name, inside)
    return bound


def _normalised(statement: ast.stmt, named: str | None) -> ast.stmt:
    """Return a copy without docstrings, silent options and, where given, the statement's name."""
    clean = copy.deepcopy(statement)
    for node in ast.walk(clean):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.Call) and _called(node) in AUTHORING:
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
