"""How a command reaches the API.

It talks to the server that FLIGHTDECK_URL names, else to the one that serves this workspace, else to the same
application in this process.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from flightdeck import addresses
from flightdeck.announcement import INSTANCE_HEADER, MISDIRECTED, SERVER_FILE, alive
from flightdeck.cli import folder
from flightdeck.cli.wire import Answer, Wire
from flightdeck.errors import (
    Blocked,
    Forbidden,
    Invalid,
    Misconfigured,
    NotFound,
    Permanent,
    Retryable,
    StoreUnavailable,
    Unauthenticated,
)

Params = Mapping[str, str | int | None]
TIMEOUT_S = 60.0
"""How long a server may say nothing before a request is given up."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
LONGEST_SHOWN = 200
WINDOW_HINT = "(use a number and d, h or m, like 7d)"
NO_ROUTE = b'{"detail":"Not Found"}'
API_HINT = "Is that the API's port (8765 by default), of a FlightDeck of this version?"


class Api:
    """The API, as commands use it: answers of 400 and above are raised as our errors. ``served``: by a server."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.served = isinstance(wire, Remote)
        token = os.environ.get("FLIGHTDECK_LOCAL_API_TOKEN", "").strip()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, **params: str | int | None) -> Any:  # noqa: ANN401 - JSON
        """The JSON at a path; parameters that are None are left out."""
        return self.fetch(path, **params).json()

    def fetch(self, path: str, **params: str | int | None) -> Answer:
        """What is at a path, with its headers."""
        return self.send("GET", _target(path, params))

    def post(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        """The JSON answer to a POST of JSON."""
        return self.send("POST", path, json.dumps(body).encode()).json()

    def put(self, path: str, body: object, **params: str | int | None) -> Any:  # noqa: ANN401 - JSON
        """The JSON answer to a PUT of JSON; parameters that are None are left out."""
        return self.send("PUT", _target(path, params), json.dumps(body).encode()).json()

    def delete(self, path: str, **params: str | int | None) -> Any:  # noqa: ANN401 - JSON
        """The JSON answer to a DELETE."""
        return self.send("DELETE", _target(path, params)).json()

    def send(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """Sends a request; raises what the answer says is wrong."""
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        answer = self._wire.send(method, target, body, headers)
        if answer.status == 404 and answer.body == NO_ROUTE:
            raise NotFound(f"The server does not know {target.partition('?')[0]}.", hint=API_HINT)
        if answer.status >= 400:
            raise _error(answer)
        return answer


def path_of(*names: str) -> str:
    """A path of the API: ``path_of("releases", release_id)``. Whatever an id holds, it stays one part of the path."""
    return "/".join(("/v1", *(quote(name, safe="") for name in names)))


class NotRunning(Exception):
    """Nothing answers at the address in the workspace's file: the server is gone."""


class Remote:
    """A server, by HTTP. ``instance`` makes sure that it is the one that wrote the workspace's file."""

    def __init__(self, url: str, instance: str = "", *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._headers = {INSTANCE_HEADER: instance} if instance else {}

    def send(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Sends one request; raises NotRunning when nothing listens there, Misconfigured on a redirect."""
        from http.client import BadStatusLine, HTTPException, RemoteDisconnected
        from urllib import request
        from urllib.error import HTTPError, URLError

        class Stay(request.HTTPRedirectHandler):
            """Follows no redirect: urllib would take the token along, to whatever host the answer names."""

            def redirect_request(self, *_: object) -> None:
                return None

        sent = request.Request(  # noqa: S310 - the user's own server
            self._url + target, data=body, headers={**self._headers, **headers}, method=method
        )
        here = bool(self._headers) or urlsplit(self._url).hostname in LOOPBACK
        opener = request.build_opener(request.ProxyHandler({} if here else None), Stay)
        try:
            with opener.open(sent, timeout=self._timeout_s) as answer:
                return Answer(answer.status, _lower(answer.headers.items()), answer.read())
        except HTTPError as error:
            with error:
                if 300 <= error.code < 400:
                    where = error.headers.get("Location", "")[:LONGEST_SHOWN]
                    raise Misconfigured(
                        f"The server at {self._url} redirects to {where!r}; the API token is not sent on.",
                        hint="Set FLIGHTDECK_URL to the server's own address.",
                    ) from error
                return Answer(error.code, _lower(error.headers.items()), error.read())
        except URLError as error:
            if isinstance(error.reason, ConnectionRefusedError):
                raise NotRunning(str(error.reason)) from error
            raise StoreUnavailable(f"The server at {self._url} does not answer: {error.reason}") from error
        except (OSError, ValueError, HTTPException) as error:
            if isinstance(error, BadStatusLine) and not isinstance(error, RemoteDisconnected):
                raise Misconfigured(f"What answers at {self._url} does not speak HTTP.", hint=API_HINT) from error
            raise StoreUnavailable(f"The server at {self._url} does not answer: {error}") from error


@contextmanager
def api(*, served: bool = False, timeout_s: float = TIMEOUT_S) -> Iterator[Api]:
    """The API for one command.

    Args:
        served: only a server's. Who was answered by one must not open the workspace while it starts again: it could
            not then.
        timeout_s: how long a server may say nothing before a request is given up.

    Raises:
        Misconfigured: no server runs and this folder is no workspace, its settings are wrong, or FLIGHTDECK_URL is.
        StoreUnavailable: the server does not answer, or another process holds the workspace.
    """
    if url := os.environ.get("FLIGHTDECK_URL", "").strip():
        if wrong := addresses.problem(url):
            raise Misconfigured(wrong)
        remote = Remote(url, timeout_s=timeout_s)
        try:
            yield Api(remote)
        except NotRunning as error:
            raise StoreUnavailable(f"No server answers at {url} (FLIGHTDECK_URL): {error}.") from error
        return
    home = folder.workspace()
    running = running_server(home, timeout_s=timeout_s)
    if running is not None:
        try:
            yield Api(running)
        except NotRunning as error:  # it answered a moment ago
            raise StoreUnavailable(
                f"The server of {home.resolve()} has stopped: {error}.", hint="Run the command again."
            ) from error
        return
    if served:
        raise StoreUnavailable(f"The server of {home.resolve()} has stopped.")
    from flightdeck.cli.inprocess import opened

    with opened(home) as wire:
        yield Api(wire)


def running_server(home: Path, *, timeout_s: float = TIMEOUT_S) -> Remote | None:
    """The server that serves a workspace, if one does: its file is there, its process lives, and it answers.

    The file may be anybody's (a cloned repository, an unpacked archive), and what it names is sent the API token.

    Raises:
        Misconfigured: the file names another machine.
    """
    try:
        told = json.loads((home / SERVER_FILE).read_text(encoding="utf-8"))
        url, pid, instance = str(told["url"]), int(told["pid"]), str(told["instance"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not alive(pid):
        return None
    if not _on_this_machine(url):
        raise Misconfigured(
            f"{home / SERVER_FILE} names {url[:LONGEST_SHOWN]!r}, which is no address of this machine.",
            hint="Remove the file, or name the server yourself: FLIGHTDECK_URL.",
        )
    remote = Remote(url, instance, timeout_s=timeout_s)
    try:
        answer = remote.send("GET", "/health", None, {})
    except NotRunning:
        return None
    return None if answer.status == MISDIRECTED else remote


def _on_this_machine(url: str) -> bool:
    """Whether a URL is plain http to an address of this machine; names are not looked up."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if parts.scheme != "http" or address.is_unspecified or address.is_multicast:
        return False
    if address.is_loopback:
        return True
    try:
        # An address can be bound where an interface has it, and nowhere else.
        where = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
        with socket.socket(*where[:3]) as trial:
            trial.bind(where[4])
    except OSError:
        return False
    return True


def _target(path: str, params: Params) -> str:
    query = urlencode({name: value for name, value in params.items() if value is not None})
    return f"{path}?{query}" if query else path


def _lower(headers: object) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}  # type: ignore[attr-defined]


def _error(answer: Answer) -> Permanent | Retryable:
    """What an answer of 400 and above says, as one of our errors."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.body.decode("utf-8", "replace").strip() or f"The server answered {answer.status}."
    message = _text(detail)
    if isinstance(detail, dict) and isinstance(detail.get("outcome"), dict):
        return Blocked(message, reasons=tuple(detail["outcome"]["policy"]["reasons"]), outcome=detail["outcome"])
    if answer.status == 401:
        return Unauthenticated(message, hint="Set FLIGHTDECK_LOCAL_API_TOKEN to the server's token.")
    if answer.status in (429, 503):
        return StoreUnavailable(message)
    if message.startswith("Invalid window"):
        return Invalid(message, hint=WINDOW_HINT)
    return {403: Forbidden, 404: NotFound}.get(answer.status, Invalid)(message)


def _text(detail: object) -> str:
    """An error's detail in one line: a text, an object with a message, or FastAPI's list of problems."""
    if isinstance(detail, list):
        return "; ".join(_problem(problem) for problem in detail)
    if isinstance(detail, dict):
        return str(detail.get("message", detail))
    return str(detail)


def _problem(problem: object) -> str:
    if not isinstance(problem, dict):
        return str(problem)
    where = ".".join(str(part) for part in problem.get("loc", ())[1:])
    return f"{where}: {problem.get('msg')}" if where else str(problem.get("msg"))
