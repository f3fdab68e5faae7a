"""The store: everything that a project's runs leave behind, under one folder or bucket."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from labelpress.classes import Classes, register
from labelpress.errors import StoreError
from labelpress.maintenance.condemned import read_condemned
from labelpress.tables import schemas
from labelpress.tables.events import EventTable
from labelpress.tables.files import Files
from labelpress.tables.publication import LabelTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl

    from labelpress.project import Project

FORMAT = 2
"""
The format of store that this labelpress writes, and the newest that it reads.

Since 2 rows may be erased: an earlier labelpress would bring them back with its next run.
"""
NEEDS_LABELPRESS = "0.1.0"
"""The first labelpress version that reads `FORMAT`; a store carries it for older ones to name."""

PROBE = ".labelpress-probe-"
"""How the files begin by which a run finds out whether it may write."""

_IDENTITY = "store.json"
_CLASSES = "classes"


@dataclass(frozen=True, slots=True)
class Identity:
    """What `store.json` says; nothing of it changes but the format, when it rises."""

    store_id: str
    project: str
    format: int
    needs_labelpress: str


@dataclass(frozen=True)
class Store:
    """
    A store, as a value that travels to workers; making one touches nothing.

    Use `open_store` to open or create one for a project's runs.
    """

    uri: str
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    classes: Classes = field(default_factory=lambda: Classes(()))
    """The registry when `open_store` opened the store; none in a store made without it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "uri", self.files.uri)

    def __getstate__(self) -> dict[str, Any]:
        options = dict(self.storage_options)
        return {"uri": self.uri, "storage_options": options, "classes": self.classes}

    @cached_property
    def files(self) -> Files:
        """The files of the store, by path relative to it."""
        return Files(self.uri, self.storage_options)

    @property
    def labels(self) -> LabelTable:
        """The label versions."""
        return LabelTable(self.files.join("labels"), self.storage_options)

    @property
    def asks(self) -> EventTable:
        """Rows put before experts."""
        return self._events("asks", schemas.ASKS)

    @property
    def answers(self) -> EventTable:
        """What came back from experts."""
        return self._events("answers", schemas.ANSWERS)

    @property
    def ledger(self) -> EventTable:
        """What was spent."""
        return self._events("ledger", schemas.LEDGER)

    @property
    def decisions(self) -> EventTable:
        """What was decided."""
        return self._events("decisions", schemas.DECISIONS)

    @property
    def event_tables(self) -> tuple[EventTable, ...]:
        """All append-only tables."""
        return self.asks, self.answers, self.ledger, self.decisions

    def condemned(self) -> frozenset[str]:
        """Return the files that maintenance is about to remove: no run may take them up."""
        return frozenset(read_condemned(self.files))

    def identity(self) -> Identity:
        """
        Read `store.json`.

        Raises `StoreError` where there is none, where it is damaged, and where the store was
        written by a labelpress too new for this one.
        """
        if not self.files.exists(_IDENTITY):
            raise StoreError(
                f"There is no store at {self.uri}: it has no {_IDENTITY}. Check the address; the "
                "first run of a project creates its store."
            )
        facts = self.files.read_json(_IDENTITY)
        try:
            identity = Identity(
                store_id=str(facts["store_id"]),
                project=str(facts["project"]),
                format=int(facts["format"]),
                needs_labelpress=str(facts["needs_labelpress"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"{self.files.join(_IDENTITY)} is damaged ({error!r}). Restore it from a backup: "
                "it says whose store this is."
            ) from error
        if identity.format > FORMAT:
            raise StoreError(
                f"The store at {self.uri} has format {identity.format}, this labelpress reads up "
                f"to {FORMAT}. Install labelpress {identity.needs_labelpress} or newer."
            )
        return identity

    def raise_format(self) -> bool:
        """Refuse the store to whoever knows only earlier formats; False where it is refused."""
        identity = self.identity()
        if identity.format == FORMAT:
            return False
        raised = replace(identity, format=FORMAT, needs_labelpress=NEEDS_LABELPRESS)
        self.files.write_json(_IDENTITY, asdict(raised))
        return True

    def registered_classes(self) -> Classes:
        """Read the class registry as it is now; a class's file is named for its code."""
        names: list[str] = []
        present = set(self.files.names(_CLASSES))
        while (file := _class_file(len(names))) in present:
            names.append(str(self.files.read_json(f"{_CLASSES}/{file}")["name"]))
        return Classes(tuple(names))

    def register_classes(self, declared: Sequence[str]) -> Classes:
        """
        Give each newly declared class the next free code, and return the registry.

        A class is one file, created only if absent. So of two runs that want the same code one
        is told so, looks again and takes the next: neither loses a class. Raises `ProjectError`
        where a registered class is no longer declared.
        """
        while True:
            registered = self.registered_classes()
            wanted = register(registered, declared)
            fresh = wanted.names[len(registered) :]
            if not fresh:
                return wanted
            code = len(registered)
            self.files.create_json(
                f"{_CLASSES}/{_class_file(code)}", {"code": code, "name": fresh[0]}
            )

    def _events(self, name: str, schema: pl.Schema) -> EventTable:
        return EventTable(self.files.join(name), self.storage_options, name, schema)


def open_store(
    uri: str,
    project: str,
    classes: Sequence[str],
    storage_options: Mapping[str, str] | None = None,
    *,
    dry_run: bool = False,
) -> Store:
    """
    Open a project's store for writing, or create it, and register the classes it declares.

    With `dry_run` nothing is written: a store that does not exist stays so, and the classes are
    those that would be registered. Raises `StoreError`, before anything is written, where the
    store belongs to another project, is of a newer format, or cannot be written; `ProjectError`
    where a registered class is no longer declared.
    """
    store = Store(uri, storage_options or {})
    exists = store.files.exists(_IDENTITY)
    if not exists and not dry_run:
        _create(store, project)
    if exists or not dry_run:
        _check_project(store, project)
    if dry_run:
        return replace(store, classes=register(store.registered_classes(), classes))
    _check_writable(store.files)
    return replace(store, classes=store.register_classes(classes))


def existing_store(project: Project) -> Store:
    """
    Return the store of a project as it is, with its registered classes; nothing is created.

    Raises `StoreError` where there is none, it is another project's, or it is of a newer format.
    """
    store = Store(project.store_uri, dict(project.settings.store.storage_options))
    _check_project(store, project.name)
    return replace(store, classes=store.registered_classes())


def open_project_store(project: Project) -> Store:
    """Open, or create, the store that a project's settings name; raises as `open_store` does."""
    settings = project.settings
    return open_store(
        project.store_uri, project.name, settings.classes.names, settings.store.storage_options
    )


def _check_project(store: Store, project: str) -> None:
    identity = store.identity()
    if identity.project != project:
        raise StoreError(
            f"The store at {store.uri} belongs to project {identity.project!r}, but this is "
            f"project {project!r}. Give each project its own [store] uri in project.toml."
        )


def _create(store: Store, project: str) -> None:
    """Write `store.json` unless somebody else does so first."""
    facts = {
        "store_id": uuid.uuid4().hex,
        "project": project,
        "format": FORMAT,
        "needs_labelpress": NEEDS_LABELPRESS,
    }
    store.files.create_json(_IDENTITY, facts)


def _check_writable(files: Files) -> None:
    """Write and delete a file, so that a run finds out at once and not after hours."""
    probe = f"{PROBE}{uuid.uuid4().hex}"
    files.write_bytes(probe, b"")
    files.delete(probe)


def _class_file(code: int) -> str:
    return f"{code:05d}.json"
