"""A small server that answers as Label Studio 1.23 does, and fails when it is told to."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from labelpress.exchange.label_studio_api import LabelStudio

TOKEN = "secret-token"  # noqa: S105  no secret


@dataclass
class Fake:
    """What the server holds, what it was asked, and how it is to fail."""

    url: str = ""
    projects: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    fail: dict[str, list[int]] = field(default_factory=dict)
    """Path ending: status codes of the next calls; 0 hangs up, -500 does the work first."""

    def server(self) -> LabelStudio:
        """Return how labelpress connects to it."""
        return LabelStudio(self.url, TOKEN, pause_seconds=0.0)

    def annotate(self, task: int, label: str | None, user: int = 1, **more: Any) -> None:
        """Let a user annotate a task; without a label they skip it."""
        found = self.tasks[task]
        result = [
            {"from_name": "label", "type": "choices", "value": {"choices": [label]}},
            {"from_name": "rationale", "type": "textarea", "value": {"text": ["a reason"]}},
        ]
        found["annotations"].append(
            {
                "id": 100 * task + len(found["annotations"]),
                "result": result if label else [],
                "completed_by": user,
                "was_cancelled": label is None,
                "lead_time": 7.5,
                "created_at": "2026-03-05T10:00:00.000000Z",
            }
            | more
        )

    def answer(  # noqa: PLR0911  one return per path
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        """Answer one request."""
        if path == "/api/projects" and method == "POST":
            self.projects.append({"id": len(self.projects) + 1} | body)
            return 201, self.projects[-1]
        if path == "/api/projects":
            named = [p for p in self.projects if query["title"] in p["title"]]
            return 200, {"results": named}
        if path == "/api/users":
            return 200, [{"id": 1, "email": "ada@example.org", "username": ""}]
        if path == "/api/token/refresh":
            return 200, {"access": TOKEN}
        if path == "/api/tasks":
            size, page = int(query["page_size"]), int(query["page"])
            shown = self.tasks[(page - 1) * size : page * size]
            return 200, {"total": len(self.tasks), "tasks": shown}
        project = self.projects[int(path.split("/")[3]) - 1]
        if path.endswith("/import"):
            self.tasks += [
                {"id": len(self.tasks) + n, "annotations": [], **task}
                for n, task in enumerate(body)
            ]
            return 201, {"task_count": len(body)}
        if method == "PATCH":
            project |= body
        return 200, project


@pytest.fixture(name="studio")
def _studio():
    fake = Fake()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            fake.calls.append((self.command, parts.path))
            planned = next(
                (c for end, c in fake.fail.items() if parts.path.endswith(end) and c), []
            )
            code = planned.pop(0) if planned else 200
            if code == 0:
                self.close_connection = True
                return
            signed = parts.path == "/api/token/refresh" or self.headers.get("Authorization") in (
                f"Token {TOKEN}",
                f"Bearer {TOKEN}",
            )
            if not signed:
                status, value = 401, {"detail": "Invalid token."}
            elif code >= 400:
                status, value = code, {"detail": "planned"}
            else:
                status, value = fake.answer(self.command, parts.path, query, body)
                status = 500 if code < 0 else status
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = _handle  # noqa: N815  named by the library

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()
