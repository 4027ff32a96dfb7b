"""OTLP over gRPC: the three Export methods and the health service.

Requests arrive as raw bytes: no message is built before the receiver has looked at ids and counts. Size is bounded by
gRPC itself, before and after decompression.

An Export is served as a stream of one message, which is the same on the wire: so its handler runs when the headers are
there, and decides who may send, and how many at once, before gRPC takes a body in. Until a body is asked for, only a
flow-control window of it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined] # the stubs lack it
from grpc_health.v1.health_pb2 import HealthCheckRequest

from flightdeck.errors import Busy, Invalid, Misconfigured, Retryable
from flightdeck.otel.receiver import tls
from flightdeck.otel.receiver.body import TIMEOUT_S
from flightdeck.otel.receiver.gate import RETRY_AFTER_S, Held
from flightdeck.otel.receiver.receiver import MIB, Caller, Receiver
from flightdeck.otel.receiver.signals import SIGNALS, Signal
from flightdeck.otel.receiver.status import failure
from flightdeck.settings import GrpcSettings

MAX_BYTES = 64 * MIB
STREAMS_PER_CONNECTION = 100
MOST_CALLS = 4_096
"""At once, on all connections; above it gRPC refuses by itself, health checks too."""
READING_AT_ONCE = 8
"""Bodies that may be arriving: gRPC tells a body's size only once it is there, so each may be as large as allowed."""
TURN_S = 10.0
"""Seconds that a body waits for its turn to arrive, before its sender is told to come back."""

Context = grpc.aio.ServicerContext[bytes, bytes]
Export = Callable[[AsyncIterator[bytes], Context], Awaitable[bytes]]


class Health(health.HealthServicer):  # type: ignore[misc] # untyped
    """The health service: each signal's service is as well as the server, the service named ""."""

    async def Check(self, request: HealthCheckRequest, context: Context) -> Any:  # noqa: N802, ANN401 - gRPC's name
        """The status now; NOT_FOUND for a service that is not ours."""
        return await super().Check(_as_server(request), context)

    async def Watch(self, request: HealthCheckRequest, context: Context) -> None:  # noqa: N802 - gRPC's name
        """The status now and whenever it changes."""
        await super().Watch(_as_server(request), context)


def _as_server(request: HealthCheckRequest) -> HealthCheckRequest:
    ours = any(request.service == signal.service for signal in SIGNALS)
    return HealthCheckRequest(service="") if ours else request


def server(receiver: Receiver, *, max_bytes: int = MAX_BYTES) -> grpc.aio.Server:
    """A server with all services, for the running event loop; ``bind`` it, then ``start`` it.

    Args:
        receiver: what the requests go to.
        max_bytes: bound on a message, before and after decompression.
    """
    made = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", max_bytes),
            ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION),
            ("grpc.so_reuseport", 0),  # else a second server would share a taken port, silently
        ],
        maximum_concurrent_rpcs=MOST_CALLS,
    )
    reading = asyncio.Semaphore(READING_AT_ONCE)
    for signal in SIGNALS:
        handler = grpc.stream_unary_rpc_method_handler(_export(signal, receiver, reading))
        made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(signal.service, {"Export": handler}),))
    health_pb2_grpc.add_HealthServicer_to_server(Health(), made)  # type: ignore[no-untyped-call]
    return made


def bind(made: grpc.aio.Server, settings: GrpcSettings) -> int:
    """Gives the server its address, and answers the port, which the system chose if the setting says 0.

    Raises:
        Misconfigured: the address is taken or can't be had, or a TLS file can't be read.
    """
    try:
        if settings.tls is None:
            return made.add_insecure_port(settings.endpoint)
        tls.check(settings.tls, "OTLP/gRPC")
        pair = (settings.tls.key_file.read_bytes(), settings.tls.cert_file.read_bytes())
        return made.add_secure_port(settings.endpoint, grpc.ssl_server_credentials([pair]))
    except (RuntimeError, OSError) as error:
        raise Misconfigured(
            f"OTLP/gRPC can't listen on {settings.endpoint}: {error}", hint="Is another process using the port?"
        ) from error


def _export(signal: Signal, receiver: Receiver, reading: asyncio.Semaphore) -> Export:
    """The handler of one signal's Export."""

    async def export(messages: AsyncIterator[bytes], context: Context) -> bytes:
        # Read from the context: an iterator of messages that is not asked for their end is never freed, nor its body.
        del messages
        try:
            caller = _admit(context, receiver)
            with receiver.gate.enter() as held:
                body = await _read(context, held, reading)
                outcome = await signal.take(receiver, body, caller)
        except Exception as error:  # noqa: BLE001 - the edge: every fault becomes an answer
            failed = failure(error)
            await context.abort(failed.grpc, failed.message, failed.trailers)
        return signal.answer(outcome).SerializeToString()

    return export


async def _read(context: Context, held: Held, reading: asyncio.Semaphore) -> bytes:
    """The body, once it is its turn to arrive.

    Raises:
        Busy: all requests together hold as much as they may, or too many bodies arrive, slowly.
        Retryable: it did not arrive in time.
        Invalid: there is none.
    """
    try:
        async with asyncio.timeout(TURN_S):
            await reading.acquire()
    except TimeoutError as error:
        raise Busy("Too many requests are arriving.", retry_after_s=RETRY_AFTER_S) from error
    try:
        async with asyncio.timeout(TIMEOUT_S):
            body: bytes = await context.read()
        if body is grpc.aio.EOF:  # type: ignore[attr-defined] # missing in the stubs
            raise Invalid("The call carries no message.")
        held.grow(len(body))
    except TimeoutError as error:
        raise Retryable(f"The message did not arrive within {TIMEOUT_S:g} seconds.") from error
    finally:
        reading.release()
    return body


def _admit(context: Context, receiver: Receiver) -> Caller:
    metadata: dict[str, Any] = dict(context.invocation_metadata() or ())
    return receiver.admit(metadata.get("authorization"), peer_host(context.peer()), "grpc")


def peer_host(peer: str) -> str | None:
    """The address in gRPC's name of a peer: ``ipv4:127.0.0.1:50321``, ``ipv6:%5B::1%5D:50321``, ``unix:/path``."""
    scheme, _, rest = peer.partition(":")
    if scheme == "unix":
        return peer
    if scheme not in {"ipv4", "ipv6"}:
        return None
    return unquote(rest).rpartition(":")[0].strip("[]")
