"""Requests that come by the thousand go to their handler directly.

FastAPI's way to a route (its routers, dependencies, exit stacks) costs more than all else that is done for a single
event. The route stays where it is, for the API's description and for every other request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Handler = Callable[[Request], Awaitable[Response]]


class Shortcut:
    """ASGI middleware, to stand inside of the one that answers our errors.

    Args:
        handlers: by method and path.
    """

    def __init__(self, app: ASGIApp, *, handlers: Mapping[tuple[str, str], Handler]) -> None:
        self._app = app
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or passes it on."""
        handler = self._handlers.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if handler is None or scope.get("root_path"):
            await self._app(scope, receive, send)
            return
        response = await handler(Request(scope, receive, send))
        await response(scope, receive, send)
