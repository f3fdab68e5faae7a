"""The few calls of Label Studio's HTTP API that the exchange needs."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from labelpress.errors import ExchangeError, ServerDownError

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEPT = "Nothing is lost: asks stay open and annotations stay there; the next run goes on."
_PAGE = 100
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class LabelStudio:
    """A server, as a value; nothing is connected until `session`."""

    url: str
    token: str = field(repr=False)
    """A legacy token, or a personal access token (a JWT)."""
    timeout_seconds: float = 60.0
    pause_seconds: float = 1.0
    """Before a failed reading is tried again; doubled each time."""

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Connect; raises `ExchangeError` where the server is not there or refuses the token."""
        with httpx.Client(base_url=self.url, timeout=self.timeout_seconds) as client:
            session = Session(self, client)
            session.sign_in()
            yield session


@dataclass(frozen=True, slots=True)
class Session:
    """A connection. Reading is tried three times; writing once, since it may have happened."""

    server: LabelStudio
    client: httpx.Client

    def sign_in(self) -> None:
        """Use the token; a personal access token is first exchanged for a short-lived one."""
        token = self.server.token
        if token.count(".") == 2:
            access = self._send("POST", "/api/token/refresh", json={"refresh": token})["access"]
            self.client.headers["Authorization"] = f"Bearer {access}"
        else:
            self.client.headers["Authorization"] = f"Token {token}"

    def find_project(self, title: str) -> int | None:
        """Return the number of the oldest project of exactly this title."""
        found = self._read("/api/projects", title=title, page_size=1000)["results"]
        numbers = [project["id"] for project in found if project["title"] == title]
        return min(numbers, default=None)

    def project(self, title: str, config: str) -> int:
        """Return the number of a project, made where there is none, with this configuration."""
        number = self.find_project(title)
        if number is None:
            made = self._send(
                "POST", "/api/projects", json={"title": title, "label_config": config}
            )
            return int(made["id"])
        if self._read(f"/api/projects/{number}")["label_config"] != config:
            self._send("PATCH", f"/api/projects/{number}", json={"label_config": config})
        return number

    def tasks(self, project: int) -> Iterator[dict[str, Any]]:
        """Yield the tasks of a project with their annotations, page by page."""
        seen, page = 0, 1
        while True:
            answer = self._read(
                "/api/tasks", project=project, page=page, page_size=_PAGE, fields="all"
            )
            yield from answer["tasks"]
            seen += len(answer["tasks"])
            page += 1
            if not answer["tasks"] or seen >= answer["total"]:
                return

    def import_tasks(self, project: int, tasks: list[dict[str, Any]]) -> None:
        """Add tasks to a project, all or none."""
        self._send("POST", f"/api/projects/{project}/import", json=tasks)

    def people(self) -> dict[int, str]:
        """Return the address of each user by number; none where the token may not see them."""
        response = self._get("/api/users")
        if response.status_code == httpx.codes.FORBIDDEN:
            return {}
        return {
            person["id"]: person["email"] or person["username"] for person in self._value(response)
        }

    def _read(self, path: str, **params: str | int) -> Any:
        return self._value(self._get(path, **params))

    def _get(self, path: str, **params: str | int) -> httpx.Response:
        for attempt in range(_ATTEMPTS - 1):
            try:
                return self._call("GET", path, params=params)
            except ServerDownError:
                time.sleep(self.server.pause_seconds * 2**attempt)
        return self._call("GET", path, params=params)

    def _send(self, method: str, path: str, **more: Any) -> Any:
        return self._value(self._call(method, path, **more))

    def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = self.client.request(method, path, **more)
        except httpx.HTTPError as error:
            raise ServerDownError(
                f"{self._name} cannot be reached ({type(error).__name__}: {error}). {_KEPT}"
            ) from error
        if response.is_server_error:
            raise ServerDownError(f"{_answered(self._name, response)}. {_KEPT}")
        return response

    def _value(self, response: httpx.Response) -> Any:
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise ExchangeError(
                f"{self._name} refuses the token (401). Make a new one there. {_KEPT}"
            )
        try:
            value = response.json()
        except ValueError:
            value = None
        if not response.is_success or value is None:
            raise ExchangeError(f"{_answered(self._name, response)}. {_KEPT}")
        return value

    @property
    def _name(self) -> str:
        return f"Label Studio at {self.server.url}"


def _answered(name: str, response: httpx.Response) -> str:
    request = response.request
    return (
        f"{name} answered {request.method} {request.url.path} with {response.status_code} "
        f"({response.text[:300]})"
    )
