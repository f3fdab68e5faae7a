"""Open the Prefect and MLflow pages of the demo: two servers on this machine, until Ctrl-C."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from labelpress.project import read_project

PREFECT_PORT, MLFLOW_PORT = 4200, 5000


def main() -> None:
    """Start both servers and wait for them."""
    project = read_project(str(Path(__file__).parent / "tumour"))
    artifacts = (Path(project.store_uri).parent / "mlartifacts").as_uri()
    commands = [
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(PREFECT_PORT)],
        [
            *(sys.executable, "-m", "mlflow", "server", "--port", str(MLFLOW_PORT)),
            *("--backend-store-uri", project.tracking_uri, "--artifacts-destination", artifacts),
        ],
    ]
    servers = [subprocess.Popen(command) for command in commands]
    print(f"Prefect  http://127.0.0.1:{PREFECT_PORT}\nMLflow   http://127.0.0.1:{MLFLOW_PORT}")
    try:
        for server in servers:
            server.wait()
    except KeyboardInterrupt:
        for server in servers:
            server.terminate()


if __name__ == "__main__":
    main()
