"""Who acts: what a trusted proxy says of its user, else what the caller says of itself."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from flightdeck.server.auth import peer

HEADERS = ("X-FlightDeck-Actor", "X-Forwarded-User")
"""What counts, in order; the first that is not blank."""

NAMELESS = "http"
_CONNECTED = "flightdeck.connected"


class Actors:
    """The rule, for one server: the headers count only from proxies that are configured (D11)."""

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        self._trusted = [ipaddress.ip_network(network) for network in trusted_proxies]

    def of(self, request: Request, told: str) -> str:
        """The actor of a request whose body tells ``told``."""
        if self._trusts(_connected(request)):
            for header in HEADERS:
                if named := request.headers.get(header, "").strip():
                    return named
        return told if told.strip() else NAMELESS

    def _trusts(self, host: str) -> bool:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._trusted)


class Connected:
    """ASGI middleware that notes who is connected, before a proxy's ``X-Forwarded-For`` says who called.

    The latter is uvicorn's own rule: it is believed from this machine, or from FORWARDED_ALLOW_IPS.
    """

    def __init__(self, app: ASGIApp) -> None:
        trusted = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
        self._app = ProxyHeadersMiddleware(app, trusted_hosts=trusted)  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] == "http":
            scope[_CONNECTED] = scope["client"][0] if scope.get("client") else ""
        await self._app(scope, receive, send)  # type: ignore[arg-type]


def _connected(request: Request) -> str:
    noted = request.scope.get(_CONNECTED)
    return noted if isinstance(noted, str) else peer(request) or ""
