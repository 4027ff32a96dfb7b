"""One attempt to send one message: to a checked address, in bounded time, following nothing."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flightdeck.errors import Forbidden, Invalid
from flightdeck.models import Message
from flightdeck.webhooks import addresses
from flightdeck.webhooks.message import body, headers

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 5.0
"""For all of it: looking up the name, connecting, sending, reading the answer's first bytes."""

READ = 4096
"""Bytes of an answer that are read; nobody needs more."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an attempt: ``status`` is the receiver's (None without an answer), ``error`` None on 2xx.

    ``answer`` is the beginning of what the receiver said.
    """

    at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    answer: str = ""


async def send(message: Message, *, private: bool = True, tls: ssl.SSLContext | None = None) -> Sent:
    """Sends a message once; never raises for what the other side does.

    Args:
        message: what to send.
        private: whether loopback and private addresses are allowed.
        tls: whom to trust; the usual authorities by default.
    """
    import httpx  # noqa: PLC0415 - a tenth of all imports at a server's start, and most servers send nothing

    at, begin = datetime.now(UTC), time.monotonic()
    status, answer, error = None, "", None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            status, answer = await _send(message, at, private, tls)
    except TimeoutError:
        error = f"timeout: no answer within {TIMEOUT_S:g} s"
    except (Forbidden, Invalid) as refused:
        error = f"refused: {refused.message}"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as failed:
        error = f"transport error: {type(failed).__name__}: {failed}"
    else:
        error = None if 200 <= status < 300 else f"HTTP {status}"
    return Sent(at, round((time.monotonic() - begin) * 1000), status, error, answer)


async def _send(message: Message, at: datetime, private: bool, tls: ssl.SSLContext | None) -> tuple[int, str]:
    import httpx  # noqa: PLC0415 - see above

    parts = urlsplit(message.url)
    addresses.check_url(message.url, private=private)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    content = body(message)
    sent = {**headers(message, content, at), "Host": parts.netloc.rpartition("@")[2]}
    found = await addresses.resolved(host, port, private=private)
    # No proxy of the environment: it would look the name up again.
    async with httpx.AsyncClient(
        trust_env=False, follow_redirects=False, timeout=TIMEOUT_S, verify=tls or True
    ) as http:
        for left, address in zip(range(len(found) - 1, -1, -1), found, strict=True):
            url = httpx.URL(message.url).copy_with(host=str(address))
            request = http.build_request("POST", url, content=content, headers=sent, extensions={"sni_hostname": host})
            try:
                return await _answered(http, request)
            except httpx.ConnectError:
                if not left:
                    raise
    raise OSError(f"{host} has no address")


async def _answered(http: httpx.AsyncClient, request: httpx.Request) -> tuple[int, str]:
    answer = await http.send(request, stream=True)
    try:
        begun = b""
        async for part in answer.aiter_raw():
            begun += part
            if len(begun) >= READ:
                break
        return answer.status_code, begun[:READ].decode("utf-8", "replace")
    finally:
        await answer.aclose()
