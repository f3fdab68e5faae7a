"""A Dask cluster that speaks TLS only, by settings and not by code."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import dask
import pytest

from labelpress.cluster import open_cluster

pytestmark = [pytest.mark.remote, pytest.mark.timeout(180)]


@pytest.fixture(name="certificate")
def _certificate(tmp_path):
    """A key and a certificate that vouches for itself."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return str(certificate), str(key)


@pytest.mark.system("openssl")
def test_a_scheduler_that_speaks_tls_is_reached_by_settings(certificate, tmp_path):
    """With Dask's own keys, which environment variables may set as well."""
    cert, key = certificate
    note = tmp_path / "scheduler.json"
    tls = ["--tls-ca-file", cert, "--tls-cert", cert, "--tls-key", key]
    where = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(note), *tls]
    python = [sys.executable, "-m", "dask"]
    commands = [
        [*python, "scheduler", "--protocol", "tls", "--port", "0", *where],
        [*python, "worker", "--nthreads", "1", "--no-nanny", *where],
    ]
    processes = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    settings = {
        "distributed.comm.tls.ca-file": cert,
        "distributed.comm.tls.client.cert": cert,
        "distributed.comm.tls.client.key": key,
    }
    try:
        deadline = time.monotonic() + 60
        while not note.exists() or not note.read_text():
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.2)
        address = json.loads(note.read_text())["address"]
        with dask.config.set(settings), open_cluster(address) as cluster:
            done = cluster.map(abs, {"a": -1})
    finally:
        for process in processes:
            process.kill()
            process.wait()

    assert address.startswith("tls://")
    assert done == {"a": 1}
