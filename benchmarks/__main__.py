"""Run all benchmarks, one process each: `python -m benchmarks`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run each module of this folder that can be run; return how many failed."""
    modules = sorted(Path(__file__).parent.glob("[!_]*.py"))
    names = [file.stem for file in modules if "\nif __name__ ==" in file.read_text()]
    failed = [
        name
        for name in names
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
    ]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
