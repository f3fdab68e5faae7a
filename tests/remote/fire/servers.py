"""A Prefect server that can be killed and started again at the same address."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[3]
STARTING_SECONDS = 180


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def flow_environment(home: Path, port: int) -> dict[str, str]:
    """Return the environment of a process whose flows talk to the server at this port."""
    return os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
    }


class PrefectServer:
    """A server on a port of its own, with its database in a folder of its own."""

    def __init__(self, home: Path, settings: dict[str, str] | None = None) -> None:
        self.port = free_port()
        self.environment = flow_environment(home, self.port) | (settings or {})
        self._log = home / "server.log"
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "prefect", "server", "start", "--port", str(self.port)],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + STARTING_SECONDS
        while not self._answers():
            assert self._process.poll() is None, f"the server ended at once: {self._log}"
            assert time.monotonic() < until, f"the server did not come up: {self._log}"
            time.sleep(0.2)

    def kill(self) -> None:
        """Kill it and its children."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/health", timeout=2):
                return True
        except OSError:
            return False
