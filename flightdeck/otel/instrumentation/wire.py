"""One HTTP exchange from the agent's process, with the standard library alone."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

MOST_ANSWER = 32 * 1024 * 1024
"""Bytes of an answer that are read; a longer one counts as unreachable."""


class Unreachable(Exception):
    """No answer came: connection, name, time or protocol failed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Wire(Protocol):
    """Anything that can carry one request to a server."""

    def __call__(
        self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        """Sends a request and returns its answer, of whatever status; raises Unreachable if there is none."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: following it would turn a POST into a GET and carry the token elsewhere."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        del req, fp, code, msg, headers, newurl


_proxied = urllib.request.build_opener(_NoRedirects)
_direct = urllib.request.build_opener(_NoRedirects, urllib.request.ProxyHandler({}))
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def http_wire(method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], timeout_s: float) -> Answer:
    """The real wire: HTTP or HTTPS, proxies as the environment says (none to loopback)."""
    until = time.monotonic() + timeout_s
    try:
        request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310 - checked
        if request.type not in {"http", "https"}:
            raise Unreachable(f"{url!r} is no http or https address")
        opener = _direct if urlsplit(url).hostname in _LOOPBACK else _proxied
        try:
            response = opener.open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            return Answer(response.status or 0, _read(response, until), _lower(response.headers))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Unreachable(_line(str(reason)) or type(error).__name__) from error


def _line(text: str) -> str:
    """A reason that may quote what the other side sent, fit for one line of a log."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:200]


def _read(response: Any, until: float) -> bytes:  # noqa: ANN401 - an HTTPResponse, or an HTTPError around one
    """The whole body, within bounds of length and time: the socket's own limit starts anew with every byte."""
    body = bytearray()
    while chunk := response.read1(65_536):
        body += chunk
        if len(body) > MOST_ANSWER:
            raise Unreachable(f"the answer is longer than {MOST_ANSWER} bytes")
        if time.monotonic() > until:
            raise Unreachable("the answer does not end")
    return bytes(body)


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
