"""
A project's files as one value, and the import of its modules from memory.

A worker gets the bundle, not a path: nothing is unpacked on disk, no `.pyc` is ever read, and
the package is named for its content, so two projects, or two states of one, never collide.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.util
import sys
import threading
from dataclasses import dataclass, field
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import PurePosixPath
from traceback import extract_tb
from typing import TYPE_CHECKING

from labelpress.errors import LabelpressError, ProjectError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType, ModuleType

PACKAGE_PREFIX = "labelpress_project_"
SUFFIXES = frozenset({".py", ".toml", ".json", ".txt", ".csv", ".tsv", ".yaml", ".yml"})
TABLE_SUFFIXES = frozenset({".parquet", ".jsonl", ".ndjson"})
"""Taken only from a folder named `tables`, since such a file elsewhere may be the source."""
OUTSIDE = frozenset({"__pycache__", "data", "store", "gold", "mlartifacts", "mlruns"})


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files of a project that its heuristics may need."""

    files: tuple[tuple[str, bytes], ...] = field(repr=False)
    """Relative POSIX path and content, sorted by path."""
    sha: str = field(init=False)
    """Hex digest of paths and contents."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(sorted(self.files)))
        digest = hashlib.sha256()
        for path, content in self.files:
            for piece in (path.encode(), content):
                digest.update(len(piece).to_bytes(8, "big"))
                digest.update(piece)
        object.__setattr__(self, "sha", digest.hexdigest())

    @property
    def package(self) -> str:
        """The name of the package under which the project's modules are imported."""
        return PACKAGE_PREFIX + self.sha[:16]

    @property
    def paths(self) -> tuple[str, ...]:
        """The files' paths."""
        return tuple(path for path, _ in self.files)

    def read(self, path: str) -> bytes:
        """Return a file's content; `ProjectError` where the bundle has no such file."""
        for known, content in self.files:
            if known == path:
                return content
        raise ProjectError(
            f"The project has no file {path!r}.{did_you_mean(path, self.paths)} A bundle holds "
            "code, TOML, JSON, text, CSV and YAML files, and what lies in folders named 'tables'."
        )

    def import_module(self, name: str) -> ModuleType:
        """
        Import one of the project's modules by its name inside the project ("heuristics").

        Safe to call from several threads and again: a module is executed once per process.
        Raises `ProjectError` naming file and line where a module of the project fails.
        """
        _FINDER.add(self)
        try:
            return importlib.import_module(f"{self.package}.{name}")
        except Exception as error:
            raise _explain(error, self, name) from error


def belongs(path: str) -> bool:
    """Say whether a file with this relative POSIX path belongs in a project's bundle."""
    parts = PurePosixPath(path).parts
    if not parts or any(part.startswith(".") or part in OUTSIDE for part in parts):
        return False
    suffix = PurePosixPath(path).suffix.lower()
    return suffix in SUFFIXES or (suffix in TABLE_SUFFIXES and "tables" in parts[:-1])


class _ProjectFinder(MetaPathFinder):
    """Finds the modules of the bundles added so far; the one thing here that has state."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bundles: dict[str, Bundle] = {}

    def add(self, bundle: Bundle) -> None:
        with self._lock:
            self._bundles[bundle.package] = bundle
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002  # the protocol's signature
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        package, _, inner = fullname.partition(".")
        bundle = self._bundles.get(package)
        if bundle is None:
            return None
        place = inner.replace(".", "/")
        init = f"{place}/__init__.py".lstrip("/")
        files = dict(bundle.files)
        if init in files:
            return _spec(bundle, fullname, init, is_package=True)
        if f"{place}.py" in files:
            return _spec(bundle, fullname, f"{place}.py", is_package=False)
        folder = f"{place}/" if place else ""
        if not place or any(p.startswith(folder) and p.endswith(".py") for p in bundle.paths):
            return _spec(bundle, fullname, None, is_package=True)
        return None


def _spec(bundle: Bundle, fullname: str, path: str | None, *, is_package: bool) -> ModuleSpec:
    loader = _BundleLoader(bundle, path)
    origin = f"{bundle.package}/{path}" if path else None
    spec = ModuleSpec(fullname, loader, origin=origin, is_package=is_package)
    spec.has_location = origin is not None
    return spec


class _BundleLoader(InspectLoader):
    """Executes one module of a bundle; `path` is None for a folder without `__init__.py`."""

    def __init__(self, bundle: Bundle, path: str | None) -> None:
        self._bundle = bundle
        self._path = path

    def is_package(self, fullname: str) -> bool:  # noqa: ARG002
        return self._path is None or self._path.endswith("__init__.py")

    def get_source(self, fullname: str) -> str:  # noqa: ARG002
        if self._path is None:
            return ""
        return importlib.util.decode_source(self._bundle.read(self._path))

    def get_code(self, fullname: str) -> CodeType:
        # dont_inherit: this module's own __future__ flags must not leak into the project
        content = b"" if self._path is None else self._bundle.read(self._path)
        filename = f"{self._bundle.package}/{self._path or fullname}"
        return compile(content, filename, "exec", dont_inherit=True)

    def get_data(self, path: str) -> bytes:
        """Serve `pkgutil.get_data(__name__, "words.txt")`."""
        inner = path.replace("\\", "/").removeprefix(f"{self._bundle.package}/")
        try:
            return self._bundle.read(inner)
        except ProjectError as error:
            raise OSError(str(error)) from error

    def exec_module(self, module: ModuleType) -> None:
        # A function looks __import__ up in the builtins of its globals, so this serves imports
        # inside functions too, and touches no module outside the project.
        module.__dict__["__builtins__"] = {
            **vars(builtins),
            "__import__": _project_import(self._bundle),
        }
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102  # what a loader does


def _project_import(bundle: Bundle) -> object:
    """Return an `__import__` for which the project's own modules come first, as a script's do."""
    inside = {path.partition("/")[0].removesuffix(".py") for path in bundle.paths if ".py" in path}

    def import_(
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002  # the protocol's names
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        head = name.partition(".")[0]
        if level or head not in inside:
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = importlib.import_module(f"{bundle.package}.{name}")
        if not fromlist:
            return sys.modules[f"{bundle.package}.{head}"]
        return builtins.__import__(module.__name__, globals, locals, fromlist, 0)

    return import_


def _explain(error: Exception, bundle: Bundle, name: str) -> LabelpressError:
    """Say in which file and line of the project an import failed."""
    place = f"{name.replace('.', '/')}.py"
    inner = f"{bundle.package}/"
    for frame in extract_tb(error.__traceback__):
        if frame.filename.startswith(inner):
            place = f"{frame.filename.removeprefix(inner)}, line {frame.lineno}"
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(inner):
        place = f"{str(error.filename).removeprefix(inner)}, line {error.lineno}"
    if isinstance(error, LabelpressError):
        return type(error)(f"{place}: {error}")
    hint = ""
    if isinstance(error, ModuleNotFoundError) and error.name == f"{bundle.package}.{name}":
        return ProjectError(
            f"The project has no module {name!r}: {place} is missing."
            f"{did_you_mean(place, bundle.paths)}"
        )
    if isinstance(error, ModuleNotFoundError):
        hint = (
            " It is neither a file of the project nor installed here: install it on every worker "
            "or put it beside heuristics.py."
        )
    elif isinstance(error, FileNotFoundError):
        hint = (
            " A project is imported from memory, so its files are not on disk: read them with "
            'pkgutil.get_data(__name__, "words.txt").'
        )
    message = str(error).replace(f"{bundle.package}.", "").rstrip(".")
    return ProjectError(f"{place}: {type(error).__name__}: {message}.{hint}")


_FINDER = _ProjectFinder()
