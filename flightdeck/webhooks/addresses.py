"""Where webhooks may go.

Whoever may add a webhook lets the server connect to an address of their choice. Addresses that hand out credentials of
the machine (link-local, cloud metadata) are never connected to, under whatever name or spelling: what is checked is the
address itself, after the name was resolved, and the connection is made to the address that was checked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from typing import TypeAlias
from urllib.parse import urlsplit

from flightdeck.errors import Forbidden, Invalid

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL = 2048

METADATA_NAMES = frozenset(
    {"metadata", "metadata.goog", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}
)
METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(address)
    for address in ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254")
)
"""Of clouds whose metadata service is not link-local."""

_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")


def check_url(url: str, *, private: bool = True) -> None:
    """Refuses what can never be sent to, before it is stored; names are looked up when something is sent.

    Raises:
        Invalid: another scheme, no host, or a host that is (some spelling of) a forbidden address.
    """
    if len(url) > MAX_URL:
        raise Invalid(f"Webhook URL has {len(url)} characters; the most is {MAX_URL}.", field="url")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Invalid(f"Webhook URL can't be read: {error}.", field="url") from error
    if parts.scheme not in {"http", "https"}:
        raise Invalid(f"Webhook URL scheme must be http or https (got {parts.scheme!r}).", field="url")
    if not host:
        raise Invalid("Webhook URL must include a host.", field="url")
    if host.rstrip(".").lower() in METADATA_NAMES:
        raise Invalid("Webhook URL targets a cloud-metadata hostname; refusing to register.", field="url")
    try:
        number = host.partition("%")[0]  # without IPv6's zone
        found = socket.getaddrinfo(number, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return
    for address in map(_address, found):
        if any(each.is_link_local for each in meanings(address)):
            raise Invalid("Webhook URL targets a link-local address (cloud-metadata range); refusing.", field="url")
        if why := forbidden(address, private=private):
            raise Invalid(f"Webhook URL targets {why}; refusing.", field="url")


async def resolved(host: str, port: int, *, private: bool = True) -> list[Address]:
    """The addresses of a host, all of them allowed.

    Raises:
        Forbidden: one of them is not: a name with good and bad addresses is an attack.
        OSError: the name has no address.
    """
    if host.rstrip(".").lower() in METADATA_NAMES:
        raise Forbidden(f"{host} is a cloud's metadata service.")
    addresses = list(dict.fromkeys(map(_address, await _looked_up(host, port))))
    for address in addresses:
        if why := forbidden(address, private=private):
            raise Forbidden(f"{host} is {address}: {why}.")
    return addresses


def forbidden(address: Address, *, private: bool = True) -> str:
    """Why nothing may be sent to an address; "" if it may. ``private``: loopback and private ones are allowed."""
    for each in meanings(address):
        if each.is_link_local or each in METADATA_ADDRESSES:
            return "a link-local or cloud-metadata address"
        if each.is_unspecified or each in _THIS_NETWORK:
            return "an address of no host"
        if each.is_multicast or (each.version == 4 and each.is_reserved):
            return "an address of no single host"
        if not private and not each.is_global:
            return "a loopback or private address (webhooks.private_addresses is false)"
    return ""


def meanings(address: Address) -> list[Address]:
    """The address, and the IPv4 address that it stands for in one of IPv6's ways to write those."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inner = [address.ipv4_mapped, address.sixtofour]
    if address in _NAT64 or (address in _COMPATIBLE and not (address.is_loopback or address.is_unspecified)):
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return [address, *(each for each in inner if each is not None)]


_Found: TypeAlias = tuple[int, int, int, str, tuple[str | int, ...]]


def _address(found: _Found | tuple[object, ...]) -> Address:
    place = found[4]
    assert isinstance(place, tuple)  # noqa: S101 - what getaddrinfo promises
    return ipaddress.ip_address(str(place[0]).partition("%")[0])


async def _looked_up(host: str, port: int) -> list[tuple[object, ...]]:
    """``getaddrinfo`` in a thread that nobody waits for: it can't be interrupted, and must not hold up the end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[tuple[object, ...]]] = loop.create_future()

    def settle(found: list[tuple[object, ...]] | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(found or [])

    def look() -> None:
        found: list[tuple[object, ...]] | None = None
        failed: Exception | None = None
        try:
            found = list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failed = error if isinstance(error, OSError) else OSError(f"{host!r} is no host name")
        try:
            loop.call_soon_threadsafe(settle, found, failed)
        except RuntimeError:  # the loop has gone meanwhile, and with it who asked
            return

    threading.Thread(target=look, name="webhook-lookup", daemon=True).start()
    return await future
