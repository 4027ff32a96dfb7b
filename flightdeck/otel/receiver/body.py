"""A request's body over HTTP, bounded in size, in time, and in what all requests together hold."""

from __future__ import annotations

import asyncio

from fastapi import Request

from flightdeck.errors import Retryable
from flightdeck.otel.receiver.compression import too_large
from flightdeck.otel.receiver.gate import Held

TIMEOUT_S = 60.0
"""What a sender holds while it sends is taken from all others, so it has to come to an end."""


async def read(request: Request, held: Held, *, max_bytes: int, timeout_s: float = TIMEOUT_S) -> bytes:
    """The body as it is sent.

    Raises:
        TooLarge: it has, or announces, more than ``max_bytes``; nothing is read after that.
        Busy: all requests together hold as much as they may.
        Retryable: it did not arrive in time.
        ClientDisconnect: the sender has gone.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large(max_bytes)
    chunks = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_bytes:
                    raise too_large(max_bytes)
                held.grow(len(chunk))
                chunks.append(chunk)
    except TimeoutError as error:
        raise Retryable(f"The body did not arrive within {timeout_s:g} seconds.") from error
    return b"".join(chunks)
