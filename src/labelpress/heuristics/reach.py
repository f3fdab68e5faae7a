"""
Which parts of a project's sources can change what a heuristic votes, found in the syntax trees.

Nothing is executed. Where a name cannot be followed, the whole module counts, and where code is
looked up at run time, the whole project: to recompute too much is cheap, a stale vote is a wrong
label.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labelpress.heuristics.mentions import mentions_of
from labelpress.heuristics.modules import Definition, Module, normalised, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labelpress.bundle import Bundle
    from labelpress.heuristics.modules import Import

_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__", "__package__"}
_NOTES_SUBCLASSES = (b"__init_subclass__", b"metaclass", b"(type)")

_HARMLESS = frozenset(
    {
        "__future__",
        "abc",
        "collections",
        "dataclasses",
        "enum",
        "functools",
        "itertools",
        "json",
        "labelpress",
        "math",
        "operator",
        "pkgutil",
        "re",
        "string",
        "textwrap",
        "tomllib",
        "typing",
        "unicodedata",
    }
)
"""Packages that know nothing of the world outside the project."""
_WORLD = (
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "httpx.",
    "numpy.random.",
    "os.environ",
    "os.getenv",
    "os.urandom",
    "random.",
    "requests.",
    "secrets.",
    "socket.",
    "time.gmtime",
    "time.localtime",
    "time.strftime",
    "time.time",
    "urllib.request.",
    "uuid.uuid1",
    "uuid.uuid4",
)
"""What gives another value tomorrow, or on another machine, while no source has changed."""

Place = tuple[str, int, int, str]
"""Module, line and column of a statement, and the name where it is one import of several."""


@dataclass(slots=True)
class Reach:
    """What a heuristic's votes depend on, as far as the sources tell."""

    definitions: dict[Place, str] = field(default_factory=dict)
    """Normalised syntax trees by where they stand."""
    movable: set[Place] = field(default_factory=set)
    """Definitions that mean the same wherever in their module they stand."""
    names: dict[Place, str] = field(default_factory=dict)
    """For people: what each of these statements binds."""
    packages: set[str] = field(default_factory=set)
    """Top-level names of the packages used that are not part of the project."""
    texts: set[str] = field(default_factory=set)
    """String constants, any of which may name a file of the project."""
    reads_any_file: bool = False
    """Whether a file is read whose name is not written out."""
    computed: set[tuple[str, str]] = field(default_factory=set)
    """Modules and names of values that are computed when a module is imported."""
    world: set[str] = field(default_factory=set)
    """What is used of the world outside, such as the time: `datetime.datetime.now`."""
    opens_files: bool = False
    whole: set[str] = field(default_factory=set)
    """Modules that count as a whole."""

    @property
    def imported_values(self) -> list[tuple[str, str]]:
        """The computed values whose content the sources alone do not tell."""
        if self.opens_files or self.packages - _HARMLESS:
            return sorted(self.computed)
        return []

    @property
    def trees(self) -> list[list[str]]:
        """
        The normalised trees by module, without regard to lines.

        The order of definitions does not matter, that of the statements which act does.
        """
        found: dict[str, list[list[str]]] = {}
        for place, tree in sorted(self.definitions.items()):
            free, ordered = found.setdefault(place[0], [[], []])
            (free if place in self.movable else ordered).append(tree)
        return [[name, *sorted(free), "", *ordered] for name, (free, ordered) in found.items()]

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
        self._executed: dict[str, tuple[str, ...]] = {}
        self._registers = any(
            word in bundle.read(path) for path in self._files.values() for word in _NOTES_SUBCLASSES
        )

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
            content = self.bundle.read(self._files[name])
            try:
                source = importlib.util.decode_source(content)
                parsed = parse(name, source, self, registers=self._registers)
            except (SyntaxError, ValueError):  # what cannot be imported cannot be reached
                parsed = parse(name, "", self, registers=False)
            self._modules[name] = parsed
        return self._modules[name]

    def reach(self, module: str, name: str) -> Reach | None:
        """
        Return what the value bound to a name depends on; None where no statement binds it.

        The heuristic's own name and its silent options are left out of the trees.
        """
        place = self._origin(module, name)
        if place is None:
            return None
        found = Reach()
        for executed in self._imported_by(module):
            parsed = self.module(executed)
            for effect in parsed.effects if parsed is not None else ():
                self._add(found, parsed or place[0], effect)
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
        """Return the one definition of a function that a name stands for, imports followed."""
        place = self._origin(module, name)
        if place is None:
            return None
        statements = place[0].bindings[place[1]]
        if len(statements) == 1 and isinstance(statements[0], ast.FunctionDef):
            return place[0], statements[0]
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
            bound = parsed.imports.get(name, ())
            if len(bound) != 1 or not bound[0].inside or bound[0].attribute is None:
                return None
            module, name = bound[0].module, bound[0].attribute
        return None

    def _imported_by(self, module: str) -> tuple[str, ...]:
        """Return the modules of the project that importing one executes, itself among them."""
        if module not in self._executed:
            seen: dict[str, None] = {}
            waiting = [module]
            while waiting:
                name = waiting.pop()
                parsed = self.module(name)
                if name in seen:
                    continue
                seen[name] = None
                parents = [name.rpartition(".")[0]] if "." in name else []
                bound = [] if parsed is None else [*parsed.stars, *_all(parsed.imports)]
                waiting += parents + [found.runs for found in bound if found.inside]
            self._executed[module] = tuple(sorted(seen))
        return self._executed[module]

    def _add_module(self, found: Reach, name: str) -> None:
        if name in found.whole:
            return
        found.whole.add(name)
        parsed = self.module(name)
        if parsed is None:
            return
        for statement in parsed.tree.body:
            self._add(found, parsed, statement)
        for bound_to, several in parsed.imports.items():  # whoever holds the module reads these too
            for bound in several:
                self._add_import(found, parsed, bound_to, bound, ())
        for star in parsed.stars:
            self._add_import(found, parsed, "*", star, ())

    def _add_name(
        self, found: Reach, module: Module, name: str, trail: tuple[str, ...] = ()
    ) -> bool:
        """Add what a name of a module stands for; False where the module does not bind it."""
        for statement in module.bindings.get(name, ()):
            self._add(found, module, statement)
        for bound in module.imports.get(name, ()):
            self._add_import(found, module, name, bound, trail)
        return name in module.bindings or name in module.imports

    def _add_import(
        self, found: Reach, module: Module, name: str, bound: Import, trail: tuple[str, ...]
    ) -> None:
        """Add what an imported name, followed by attributes, stands for."""
        place = (module.name, 0, 0, f"{name} = {bound.origin}")
        found.definitions[place] = place[3]
        found.names[place] = f"the import of {name} in {module.name}"
        if not bound.inside:
            found.packages.add(bound.module.partition(".")[0])
            used = ".".join((bound.origin, *trail))
            if f"{used}.".startswith(_WORLD):
                found.world.add(used)
            return
        inner = bound.module
        steps = trail if bound.attribute is None else (bound.attribute, *trail)
        while steps and self.has(f"{inner}.{steps[0]}"):
            package = self.module(inner)
            if package is not None and package.name != module.name:
                self._add_name(found, package, steps[0], steps[1:])  # it may hide the module
            inner, steps = f"{inner}.{steps[0]}", steps[1:]
        parsed = self.module(inner)
        if parsed is None or not steps or not self._add_name(found, parsed, steps[0], steps[1:]):
            self._add_module(found, inner)

    def _add(
        self, found: Reach, module: Module, statement: ast.stmt, named: str | None = None
    ) -> None:
        key = (module.name, statement.lineno, statement.col_offset, "")
        if key in found.definitions or isinstance(statement, ast.Import | ast.ImportFrom):
            return
        clean = normalised(module, statement, named)
        found.definitions[key] = ast.dump(clean)
        found.names[key] = _described(module.name, statement, named)
        if _is_movable(module, statement, named):
            found.movable.add(key)
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            calls = any(isinstance(node, ast.Call) for node in ast.walk(statement))
            bound = [name for name in _targets(statement) if calls and named is None]
            found.computed |= {(module.name, name) for name in bound}
        for always in module.always:
            self._add(found, module, always)
        for star in module.stars:
            self._add_import(found, module, "*", star, ())
        self._add_uses(found, module, clean)

    def _add_uses(self, found: Reach, module: Module, statement: ast.stmt) -> None:
        """Add what the names, imports and texts of one normalised statement stand for."""
        mentions = mentions_of(statement, module, self)
        found.texts |= mentions.texts
        found.reads_any_file |= mentions.reads_any_file
        found.opens_files |= "open" in mentions.loaded
        for name, bound, trail in mentions.trails:
            self._add_import(found, module, name, bound, trail)
        if mentions.hides:
            for other in self._files:
                self._add_module(found, other)
        if mentions.reads_text:
            for other in self._files:
                self._add_text(found, other)
        for name in sorted(mentions.loaded - mentions.own_imports):
            for binding in module.bindings.get(name, ()):
                self._add(found, module, binding)
            known = name in module.bindings or name in module.imports
            if not (known or name in mentions.stored or name in _BUILTINS):
                self._add_module(found, module.name)

    def _add_text(self, found: Reach, name: str) -> None:
        """Add the trees of a module with their docstrings."""
        parsed = self.module(name)
        if parsed is not None:
            place = (name, 0, 0, "")
            found.definitions[place] = ast.dump(parsed.tree)
            found.names[place] = f"the text of {name}"


def _all(imports: Mapping[str, tuple[Import, ...]]) -> list[Import]:
    return [bound for several in imports.values() for bound in several]


def _is_movable(module: Module, statement: ast.stmt, named: str | None) -> bool:
    """Say whether a definition means the same wherever in its module it stands."""
    if named is not None or not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    arguments = statement.args
    computed = [*arguments.defaults, *filter(None, arguments.kw_defaults)]
    return (
        not statement.decorator_list
        and all(isinstance(node, ast.Constant) for node in computed)
        and len(module.bindings[statement.name]) == 1
    )


def _targets(statement: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _described(module: str, statement: ast.stmt, named: str | None) -> str:
    """Name a statement as a person would: by what it binds."""
    if named is not None:
        return "its own code"
    if isinstance(statement, Definition):
        return f"{module}.{statement.name}"
    bound = _targets(statement) if isinstance(statement, ast.Assign | ast.AnnAssign) else []
    return f"{module}.{bound[0]}" if bound else f"module-level code of {module}"


def _module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
