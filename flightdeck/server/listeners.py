"""The addresses that ``flightdeck serve`` listens on, and what is said when one is taken."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from flightdeck.errors import Misconfigured

BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, as bound."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def reachable(self) -> Address:
        """The same, as a client on this machine reaches it: an address for "all" is none to connect to."""
        return Address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host), self.port)  # noqa: S104


class Taken(Exception):
    """A port that something else listens on."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any free one.

    Raises:
        Taken: something else listens there.
        Misconfigured: this machine has no such address, or the port may not be used.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise Misconfigured(f"{host!r} is no address of this machine: {error.strerror}.") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        # At once, not when the server starts: two sockets may be bound to one port as long as none listens.
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == 98 or "in use" in str(error).lower():
            raise Taken(f"port {port} on {host} is taken") from error
        raise Misconfigured(f"Can't listen on {host}:{port}: {error.strerror}.") from error
    return listener


def address(listener: socket.socket) -> Address:
    """Where a socket listens."""
    host, port = listener.getsockname()[:2]
    return Address(host, port)


def api_taken(port: int) -> Misconfigured:
    """What to do about a taken API port."""
    return Misconfigured(
        f"Port {port} is taken: another server, perhaps another FlightDeck, listens there.",
        hint=f"Stop it, or choose another port: flightdeck serve --port {port + 1} (0 takes any free one).",
    )


def otlp_taken(name: str, port: int, option: str) -> Misconfigured:
    """What to do about a taken OTLP port that was asked for."""
    return Misconfigured(
        f"Port {port} for OTLP/{name} is taken: another process, perhaps a Collector, listens there.",
        hint=f"Choose another one: flightdeck serve {option} PORT (0 takes any free one).",
    )


def otlp_skipped(name: str, port: int, option: str, api: Address) -> str:
    """The warning when a default OTLP port is taken."""
    return (
        f"WARNING: port {port} is taken, so OTLP/{name} is off. Choose another one with {option} PORT, or send "
        f"OTLP/HTTP to http://{api}/v1/traces."
    )
