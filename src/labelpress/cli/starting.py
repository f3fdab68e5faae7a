"""Starting a repository of one's own: flows, deployments and a project that runs at once."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import labelpress
from labelpress.errors import LabelpressError

if TYPE_CHECKING:
    from rich.console import Console

_ROOMS = ("flows", "tasks", "deployments")
_WEEKS = (1, 2, 3)


def start_repository(folder: str, console: Console) -> None:
    """
    Write a repository into a folder that is new or empty, and say what to do with it.

    Raises `LabelpressError`, before anything is written, where the folder holds anything.
    """
    place = Path(folder).expanduser().resolve()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise LabelpressError(
            f"{place} is there already and not empty; nothing was written. Name a new folder, or "
            "empty this one first."
        )
    for source, target in template().items():
        _copy(source, place / target)
    deployments = place / "prefect.yaml"
    # Quoted as JSON, which is YAML too: a folder's name may hold anything.
    text = deployments.read_text().replace('"@FOLDER@"', json.dumps(str(place)))
    deployments.write_text(text)
    write_week = runpy.run_path(str(place / "project" / "make_data.py"))["write_week"]
    for week in _WEEKS:
        write_week(place / "project" / "data", week)
    console.print(
        f"{place}: flows, deployments and the project `project` with three weeks of invented data."
        f"\n\n    cd {place}\n    make check     # try the heuristics on a sample\n"
        "    make demo      # print the labels once, with no server running\n"
        "    make ui        # Prefect, MLflow, a worker and all deployments on this machine\n\n"
        "README.md there says what to do next.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def template() -> dict[Path, str]:
    """Return the folders that make up a repository, and where each of them goes."""
    package = Path(labelpress.__file__).parent
    shipped = package / "_template"
    if shipped.is_dir():
        return {shipped: "."}
    # An editable install ships nothing; the checkout around it holds the originals.
    checkout = package.parents[1]
    if not (checkout / "starter").is_dir():
        raise LabelpressError(
            f"this installation of labelpress has no template at {shipped}; install it again."
        )
    return {checkout / "starter": "."} | {checkout / room: room for room in _ROOMS}


def _copy(source: Path, target: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "data", "store", "mlflow.db")
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
