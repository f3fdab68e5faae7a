"""Measure in a process of its own, whose memory and caches nothing else has touched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def measure_alone(module: str, *options: str) -> dict[str, Any]:
    """Run a module of this folder with options; return the JSON in the last line that it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", f"benchmarks.{module}", *options],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
