"""The documents are true to the code: links, commands, keys of project.toml and examples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import pytest
import typer
from pydantic import BaseModel

from labelpress.cli import app
from labelpress.gate import GateSettings
from labelpress.project import Settings, parse_settings
from labelpress.tables import schemas
from labelpress.tables.label_files import label_schema
from tests.programs import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deployments/*.md")])
REFERENCE = ROOT / "docs" / "reference.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`labelpress ([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def prose(text: str) -> str:
    """Return a document without its fenced blocks and inline code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_relative_links_resolve(document):
    """Each names a file that is there and, where it has an anchor, a heading in it."""
    for link in LINK.findall(prose(document.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document if not path else document.parent / unquote(path)
        assert target.exists(), f"{document.name} links to {link}"
        if anchor:
            assert anchor in anchors(target.read_text()), f"{document.name} links to {link}"


def commands() -> dict[str, Any]:
    """Return the commands of the command line by their words."""
    found: dict[str, Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        inner = getattr(command, "commands", None)
        if inner is None:
            found[" ".join(words)] = command
        for name, sub in (inner or {}).items():
            walk(sub, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def named_commands(text: str) -> Iterator[str]:
    """Yield what follows `labelpress` in inline code and in console blocks."""
    for language, block in FENCE.findall(text):
        if language in {"console", "sh", "bash"}:
            yield from re.findall(r"^(?:\$ )?labelpress (.+)$", block, re.MULTILINE)
    yield from CODE.findall(FENCE.sub("", text))


def not_there_yet(text: str) -> set[str]:
    """Return the commands that the readme says do not exist."""
    found = re.search(r"There is no `labelpress (\w+)`((?:(?:,| or) `\w+`)*)", text)
    return set() if found is None else {found[1], *re.findall(r"`(\w+)`", found[2])}


@each_document
def test_commands_that_are_named_exist(document):
    """With their options; the readme's list of what is missing names only what is missing."""
    known = commands()
    missing = not_there_yet((ROOT / "README.md").read_text())
    assert not missing & set(known)
    for named in named_commands(document.read_text()):
        words = named.split()
        if words[0] in missing:
            assert document.name == "README.md"
            continue
        name = next((n for n in (" ".join(words[:2]), words[0]) if n in known), None)
        assert name is not None, f"{document.name} names `labelpress {named}`"
        options = {option for parameter in known[name].params for option in parameter.opts}
        wanted = set(re.findall(r"--[a-z-]+", named))
        assert wanted <= options, f"{document.name} names `labelpress {named}`"


def test_every_command_is_in_the_reference():
    """A person looks there first."""
    named = " ".join(f"{command} " for command in named_commands(REFERENCE.read_text()))
    assert [n for n in commands() if not re.search(f"{n} (PROJECT|BUNDLE|DIR)", named)] == []


def settings_keys(model: type[BaseModel], table: str = "") -> dict[str, Any]:
    """Return the keys of project.toml with their defaults, as the models have them."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= settings_keys(kind, f"{table}{name}.")
        else:
            required = field.is_required()
            found[table + (field.alias or name)] = (
                "required" if required else field.get_default(call_default_factory=True)
            )
    return found


def documented_keys() -> dict[str, str]:
    """Return the keys of the reference with their defaults, as it spells them."""
    section = REFERENCE.read_text().partition("## project.toml")[2].partition("\n## ")[0]
    found: dict[str, str] = {}
    table = ""
    for line in section.splitlines():
        if line.startswith("### "):
            name = re.search(r"\[(\w+)\]", line)
            table = f"{name[1]}." if name else ""
        row = re.match(r"\| `([\w.]+)` \| (.+?) \|", line)
        if row:
            assert table + row[1] not in found, f"{table}{row[1]} stands there twice"
            found[table + row[1]] = row[2]
    return found


def as_toml(value: Any) -> str:
    """Return a default as the reference spells it."""
    match value:
        case "required":
            return "required"
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case str():
            return f'`"{value}"`'
        case tuple():
            return f"`{list(value)}`"
        case _:
            return f"`{value}`"


def test_the_reference_has_every_key_with_its_default():
    """And no key that does not exist."""
    expected = {key: as_toml(default) for key, default in settings_keys(Settings).items()}
    assert documented_keys() == expected


@each_document
def test_project_examples_parse(document):
    """Every fenced TOML block is a whole project.toml."""
    for language, block in FENCE.findall(document.read_text()):
        if language == "toml":
            assert parse_settings(block).name


@each_document
def test_python_examples_compile(document):
    """Every fenced Python block is Python."""
    for language, block in FENCE.findall(document.read_text()):
        if language == "python":
            compile(block, document.name, "exec")


@each_document
def test_tables_and_keys_named_as_settings_exist(document):
    """`[gate] max_churn` and its like, wherever they are mentioned."""
    tables = Settings.model_fields
    for table, key in re.findall(r"`\[(\w+)\](?: (\w+))?", document.read_text()):
        assert table in tables, f"{document.name} names [{table}]"
        if key:
            fields = tables[table].annotation.model_fields.items()
            known = {field.alias or name for name, field in fields}
            assert key in known, f"{document.name}: [{table}] {key}"
    assert "max_churn" in GateSettings.model_fields


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("labels", label_schema("string").names()),
        ("asks", schemas.ASKS.names()),
        ("answers", schemas.ANSWERS.names()),
        ("ledger", schemas.LEDGER.names()),
        ("decisions", schemas.DECISIONS.names()),
    ],
)
def test_the_reference_has_every_column(name, columns):
    """Of every table that others may read."""
    section = REFERENCE.read_text().partition(f"\n**{name}**")[2].partition("\n**")[0]
    section = section.partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(columns)


@each_document
def test_the_project_speaks_of_itself_alone(document):
    """No path of somebody's machine."""
    assert re.findall(r"(?<![\w.])/(?:work|home|root|tmp|Users)/", document.read_text()) == []


@pytest.mark.parametrize("picture", sorted(ROOT.glob("docs/images/*.png")), ids=lambda p: p.name)
def test_pictures_are_small_and_shown(picture):
    """A clone stays light, and nothing lies about unused."""
    assert picture.stat().st_size < 300_000
    assert any(picture.name in document.read_text() for document in DOCUMENTS)


def test_how_to_get_what_all_tests_need_is_said():
    """Every system that a mark names: Debian's in one command, and Label Studio's version."""
    marks = re.compile(r'mark\.system\("(.+?)"\)')
    named = {n for path in ROOT.glob("tests/**/*.py") for n in marks.findall(path.read_text())}
    text = (ROOT / "CONTRIBUTING.md").read_text()
    packages = re.search(r"^sudo apt-get install (.+)$", text, re.MULTILINE)
    debian = {name for name, source in SOURCES.items() if source == f"apt-get install {name}"}

    assert named == set(SOURCES)
    assert packages is not None
    assert set(packages[1].split()) == debian == named - {"label-studio"}
    assert re.search(r"label-studio==[\d.]+", SOURCES["label-studio"])[0] in text


def test_the_notebook_example_of_the_label_models_runs():
    """As it is printed, from import to diagnostics."""
    text = (ROOT / "docs" / "label-models.md").read_text()
    code = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, object] = {}

    exec(code, names)  # noqa: S102  # our own document

    assert np.shape(names["probabilities"]) == (4, 2)
    assert np.allclose(np.sum(names["probabilities"], axis=1), 1)
