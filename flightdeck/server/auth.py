"""The access rule as FastAPI dependencies: a route names the one that holds for it."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request

from flightdeck.access import Access

Rule = Callable[[Request], None]


def peer(request: Request) -> str | None:
    """The caller's address, None where there is none; "" over a unix socket."""
    return request.client.host if request.client is not None else None


def may_write(access: Access, request: Request) -> None:
    """Passes or raises, by the write rule. Routes call it themselves: a body that can't be read is told first."""
    access.write(request.headers.get("authorization"), peer(request))


def readers(access: Access) -> Rule:
    """A dependency that lets through who may read."""

    def may_read(request: Request) -> None:
        access.read(request.headers.get("authorization"))

    return may_read
