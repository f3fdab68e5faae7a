"""The layout test: the folder tree says where everything is."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = sorted((ROOT / "src" / "labelpress").rglob("*.py"))
TASKS = sorted(path for path in (ROOT / "tasks").glob("*.py") if path.stem != "__init__")
FLOWS = sorted(path for path in (ROOT / "flows").glob("*.py") if path.stem != "__init__")
SUBJECTLESS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "core"}


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_rooms_are_there():
    """As the user named them."""
    for room in ("flows", "tasks", "deployments", "tests", "src/labelpress", "examples", "docs"):
        assert (ROOT / room).is_dir(), room
    for file in ("pyproject.toml", "prefect.yaml", "constraints.txt", "Makefile", "LICENSE"):
        assert (ROOT / file).is_file(), file


@pytest.mark.parametrize("path", TASKS, ids=_name)
def test_a_task_file_holds_tasks_only(path):
    """A plain function beside a task is pickled by name and fails on a worker without checkout."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            decorators = [ast.unparse(d).partition("(")[0] for d in node.decorator_list]
            assert decorators == ["task"], node.name
            assert len(node.body) <= 10, node.name
        else:
            assert isinstance(node, ast.Expr | ast.Import | ast.ImportFrom), ast.unparse(node)


@pytest.mark.parametrize("path", FLOWS, ids=_name)
def test_a_flow_file_hides_no_module(path):
    """Prefect puts flows/ first on the path, so a flow file would take a module's place."""
    # a flow that ran in this process has put flows/ there
    elsewhere = [place for place in sys.path if Path(place).resolve() != path.parent]

    assert path.stem not in sys.builtin_module_names
    assert PathFinder.find_spec(path.stem, elsewhere) is None


@pytest.mark.parametrize("path", LIBRARY, ids=_name)
def test_a_module_has_one_named_subject(path):
    """A name that says it, a docstring, and a size that one can read."""
    text = path.read_text()

    assert path.stem not in SUBJECTLESS
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert text.count("\n") <= 500


def test_test_folders_are_no_packages():
    """With an __init__.py they would take over the names of flows and tasks."""
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_constraints_pin_versions_and_name_no_index():
    """Every line is a name and a version."""
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.count("==") == 1, line
        assert "://" not in line, line


def test_what_every_worker_imports_brings_no_heavy_library():
    """They take seconds, on each worker of each run; the stages that need one import it there."""
    stages = ("plan", "vote", "fit", "label", "gate", "publish", "ask")
    imports = "; ".join(f"import labelpress.stages.{stage}" for stage in stages)
    heavy = ("prefect", "mlflow", "sklearn", "skops", "matplotlib", "cleanlab", "dask")
    program = f"import sys; {imports}; print([n for n in {heavy} if n in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
