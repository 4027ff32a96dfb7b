"""Who may read and write: one rule for the API and the OTLP receivers.

Without a token everything is open to read, and only callers on this machine may write. With a token both need
``Authorization: Bearer <token>``, from anywhere; the case of the scheme does not matter (RFC 9110, section 11.1). The
texts are part of the 1.3 contract.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from flightdeck.errors import Forbidden, Unauthenticated

LOCAL_NAMES = frozenset({"localhost", "testclient", "testserver"})
WRITE_WITHOUT_TOKEN = "Missing or invalid API token for mutation route."  # noqa: S105 - a message
READ_WITHOUT_TOKEN = "Missing or invalid API token for read route."  # noqa: S105 - a message
WRITE_FROM_AFAR = "Mutation routes are restricted to local clients unless FLIGHTDECK_LOCAL_API_TOKEN is configured."
FOREIGN_HOST = "Host or Origin is not one of this server's names."


@dataclass(frozen=True, slots=True)
class Access:
    """The rule, for one server. ``token`` "" means none is set; ``host_names`` are allowed beside the local ones."""

    token: str = ""
    host_names: frozenset[str] = frozenset()

    def write(self, authorization: str | None, peer: str | None) -> None:
        """Passes or raises Unauthenticated / Forbidden. ``peer`` is the caller's address, None if it has none."""
        if self.token:
            self._bearer(authorization, WRITE_WITHOUT_TOKEN)
        elif not is_local(peer):
            raise Forbidden(WRITE_FROM_AFAR)

    def read(self, authorization: str | None) -> None:
        """Passes or raises Unauthenticated."""
        if self.token:
            self._bearer(authorization, READ_WITHOUT_TOKEN)

    def names(self, host: str | None, origin: str | None) -> None:
        """Refuses foreign Host and Origin headers, so that a web page can't reach a local server by DNS rebinding.

        Enforced only while no token is set: with one, the browser has nothing to send along by itself.
        """
        if self.token:
            return
        for url in (host and f"//{host}", origin):
            if url and not self._own(url):
                raise Forbidden(FOREIGN_HOST, hint="Set FLIGHTDECK_LOCAL_API_TOKEN, or list the name in server.hosts.")

    def _own(self, url: str) -> bool:
        """Whether the host of a URL is one of this server's names; what has none, or can't be read, is foreign."""
        try:
            name = urlsplit(url).hostname
        except ValueError:
            return False
        return name is not None and (name in self.host_names or name in LOCAL_NAMES or _is_loopback(name))

    def _bearer(self, authorization: str | None, message: str) -> None:
        scheme, _, token = (authorization or "").partition(" ")
        right = hmac.compare_digest(token.encode("utf-8", "surrogateescape"), self.token.encode())
        if not right or scheme.lower() != "bearer":
            raise Unauthenticated(message)


def is_local(peer: str | None) -> bool:
    """Whether a peer or a listening address is this machine; a unix socket (``""`` or ``unix:…``) is."""
    if peer is None:
        return False
    name = peer.strip("[]").lower()
    return not name or name in LOCAL_NAMES or name.startswith("unix:") or _is_loopback(name)


def _is_loopback(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def access(token: str, hosts: Collection[str] = ()) -> Access:
    """The rule for a server with this token (stripped) and these extra host names."""
    return Access(token.strip(), frozenset(name.lower() for name in hosts))
