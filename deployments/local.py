"""
Everything on this machine: Prefect, MLflow, all deployments and a worker, until Ctrl-C.

    python deployments/local.py [--project FOLDER] [--prefect-port 4200] [--mlflow-port 5000]
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import yaml

from labelpress.project import read_project

ROOT = Path(__file__).parents[1]
PATIENCE, GRACE = 240.0, 10.0


def main() -> None:
    """Start all of it, and stop all of it at the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--project", default="", help="whose MLflow is shown; default: the first")
    parser.add_argument("--prefect-port", type=int, default=4200)
    parser.add_argument("--mlflow-port", type=int, default=5000)
    chosen = parser.parse_args()
    for port in (chosen.prefect_port, chosen.mlflow_port):
        if not is_free(port):
            sys.exit(f"Port {port} is taken. Stop what listens there, or name another port.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    started: list[subprocess.Popen[bytes]] = []
    try:
        run(started, chosen.project or first_project(), chosen.prefect_port, chosen.mlflow_port)
    except KeyboardInterrupt:
        print("\nstopping")
    finally:
        stop(started)


def run(started: list[subprocess.Popen[bytes]], project: str, prefect: int, mlflow: int) -> None:
    """Start one after the other, each when what it needs is there; return when one ends."""
    page, tracking = f"http://127.0.0.1:{prefect}", f"http://127.0.0.1:{mlflow}"
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    opened = read_project(str(ROOT / project))
    artifacts = (Path(opened.store_uri).parent / "mlartifacts").as_uri()
    os.environ["PREFECT_API_URL"] = f"{page}/api"
    python = [sys.executable, "-m"]
    started.append(start([*python, "prefect", "server", "start", "--port", str(prefect)]))
    backend = ["--backend-store-uri", opened.tracking_uri, "--artifacts-destination", artifacts]
    # With one worker it has no supervisor, which on a busy machine ends workers that start slowly.
    backend += ["--workers", "1"]
    started.append(start([*python, "mlflow", "server", "--port", str(mlflow), *backend]))
    wait_for(f"{page}/api/health", started)
    wait_for(f"{tracking}/health", started)
    os.environ["MLFLOW_TRACKING_URI"] = tracking
    subprocess.run([sys.executable, str(ROOT / "deployments" / "set_up.py")], check=True)
    started.append(start([*python, "prefect", "worker", "start", "--pool", "labelpress"]))
    print(f"\nPrefect  {page}\nMLflow   {tracking}\nCtrl-C stops all of it.", flush=True)
    while all(process.poll() is None for process in started):
        time.sleep(0.5)


def first_project() -> str:
    """Return the folder of the first deployment."""
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    return str(deployments[0]["parameters"]["project"])


def start(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a process whose children end with it: it has a group of its own."""
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def wait_for(url: str, started: list[subprocess.Popen[bytes]]) -> None:
    """Wait until a page answers; end where the process behind it has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and all(process.poll() is None for process in started):
        try:
            with urlopen(url, timeout=5):  # noqa: S310  an address of this machine
                return
        except (URLError, OSError):
            time.sleep(0.5)
    sys.exit(f"{url} did not answer; the lines above say why.")


def stop(started: list[subprocess.Popen[bytes]]) -> None:
    """Ask every group to end, the worker first; end by force what does not."""
    for process in reversed(started):
        signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    for process in reversed(started):
        try:
            process.wait(timeout=max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.poll()
        # A leader may be gone while its children are not.
        signal_group(process, signal.SIGKILL)
        process.wait()


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a process and its children, if any of them lives."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def is_free(port: int) -> bool:
    """Say whether nobody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


if __name__ == "__main__":
    main()
