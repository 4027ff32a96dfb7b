"""``flightdeck serve``: one process, one event loop, three listeners: the API, OTLP over HTTP, OTLP over gRPC.

Starting: ports first (a taken one is told before anything is opened), then the stores, then requests. Stopping, on
SIGTERM or SIGINT: no new requests, answer those under way, drain, close; within 10 seconds. A second signal ends the
process at once.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import uuid
from collections.abc import Awaitable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import grpc.aio
import uvicorn
from fastapi import FastAPI

from flightdeck import __version__
from flightdeck.access import is_local
from flightdeck.app import App, build
from flightdeck.errors import Misconfigured
from flightdeck.interruption import INTERRUPTED
from flightdeck.otel.receiver import grpc as otlp_grpc
from flightdeck.otel.receiver import http as otlp_http
from flightdeck.otel.receiver import tls
from flightdeck.server import listeners, memory, variables
from flightdeck.server.actors import Connected
from flightdeck.server.app import DRAIN_S, api_for
from flightdeck.server.listeners import Address
from flightdeck.server.presence import announced
from flightdeck.settings import GrpcSettings, ProtocolSettings, Settings, TlsSettings

ANSWER_S = 3
"""Seconds for requests under way to be answered, once a stop was asked for."""
GC_THRESHOLDS = (20_000, 20, 20)


@dataclass(slots=True)
class Served:
    """What a process listens on; None where a receiver is off."""

    api: socket.socket
    otlp_http: socket.socket | None = None
    otlp_grpc: Address | None = None
    warnings: list[str] = field(default_factory=list)


def run(settings: Settings) -> None:
    """Serves until a signal comes.

    Raises:
        Misconfigured: a port is taken, or a setting can't work.
        StoreUnavailable, LedgerUnavailable: what it would serve can't be opened.
    """
    _log()
    sys.stderr.writelines(f"{line}\n" for line in variables.strangers(os.environ))
    memory.return_large_blocks()
    loop_factory = uvicorn.Config("", loop="auto", log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve(settings))


def _log() -> None:
    """Warnings of all, and what is worth knowing of us, on stderr."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("flightdeck").setLevel(logging.INFO)


def _collect_less() -> None:
    """Has the garbage collector leave alone what the start has made, and come less often.

    Requests make many objects and hardly any cycle, so the default (every 700 objects, over all that is loaded) costs
    and finds nothing: with this, an event took 18 µs in place of 31. What the start leaves of cycles is little: looking
    for it would take 60 ms or more.
    """
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


async def _serve(settings: Settings) -> None:
    stop = _stop_on_signals()
    app = build(settings)
    with ExitStack() as listening:
        grpc_server = otlp_grpc.server(app.receiver, max_bytes=_max_bytes(settings.receivers.otlp.protocols.grpc))
        served = Served(listening.enter_context(_api_socket(settings)))
        served.otlp_http = listening.enter_context(_otlp_socket(settings, served))
        served.otlp_grpc = _bind_grpc(grpc_server, settings, served)
        try:
            await asyncio.to_thread(app.start)
            await _answer(app, settings, served, grpc_server, stop)
        finally:
            await asyncio.to_thread(app.close, DRAIN_S)


async def _answer(
    app: App, settings: Settings, served: Served, grpc_server: grpc.aio.Server, stop: asyncio.Event
) -> None:
    instance = uuid.uuid4().hex
    http = [_Http(api_for(app, instance=instance), served.api)]
    if served.otlp_http is not None:
        protocol = settings.receivers.otlp.protocols.http
        if (pair := _tls(protocol)) is not None:
            tls.check(pair, "OTLP/HTTP")
        otlp = otlp_http.app(app.receiver, max_bytes=_max_bytes(protocol))
        http.append(_Http(otlp, served.otlp_http, pair))
    tasks = [asyncio.create_task(server.answer()) for server in http]
    trimming = asyncio.create_task(memory.trim())
    if served.otlp_grpc is not None:
        await grpc_server.start()
    try:
        await _until(_all_ready(http), stop.wait(), tasks=tasks)
        _collect_less()
        with ExitStack() as known:
            if not stop.is_set():
                facts = _facts(served, settings)
                known.enter_context(announced(app.settings.workspace, {**facts, "instance": instance}))
                _say(served, settings, facts)
                await _until(stop.wait(), tasks=tasks)
            for server in http:
                server.should_exit = True
            await asyncio.gather(grpc_server.stop(ANSWER_S), *tasks)
    finally:
        trimming.cancel()
        await grpc_server.stop(0)


async def _until(*events: Awaitable[object], tasks: list[asyncio.Task[None]]) -> None:
    """Waits for one of some events, or for a listener that ends by itself, which it should not.

    Raises:
        whatever ended a listener.
    """
    waiting = [asyncio.ensure_future(event) for event in events]
    try:
        await asyncio.wait([*waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for listener in tasks:
            if listener.done():
                listener.result()
                raise RuntimeError("A listener ended by itself.")
    finally:
        for wait in waiting:
            wait.cancel()


async def _all_ready(http: list[_Http]) -> None:
    for server in http:
        await server.ready.wait()


class _Http(uvicorn.Server):
    """An HTTP server among others in one loop: signals are not its business, nor is the lifespan."""

    def __init__(self, api: FastAPI, listener: socket.socket, pair: TlsSettings | None = None) -> None:
        config = uvicorn.Config(
            Connected(api),
            lifespan="off",
            proxy_headers=False,  # Connected looks at them
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=ANSWER_S,
            ssl_certfile=pair.cert_file if pair else None,
            ssl_keyfile=pair.key_file if pair else None,
        )
        super().__init__(config)
        self._listener = listener
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the process."""
        yield

    async def answer(self) -> None:
        """Answers requests until ``should_exit``."""
        await self.serve([self._listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to answer, and says so."""
        try:
            await super().startup(sockets)
        except OSError as error:
            raise Misconfigured(f"Can't answer at {listeners.address(self._listener)}: {error}.") from error
        self.ready.set()


def _stop_on_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second ends the process at once."""
    stop = asyncio.Event()

    def asked() -> None:
        if stop.is_set():
            os._exit(INTERRUPTED)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked)
    return stop


def _api_socket(settings: Settings) -> socket.socket:
    try:
        return listeners.listen(settings.server.host, settings.server.port)
    except listeners.Taken as error:
        raise listeners.api_taken(settings.server.port) from error


@contextmanager
def _otlp_socket(settings: Settings, served: Served) -> Iterator[socket.socket | None]:
    protocols = settings.receivers.otlp.protocols
    if protocols.http is None:
        yield None
        return
    explicit = protocols.explicit("http")
    host = settings.otlp_host("http")
    try:
        listener = listeners.listen(host, protocols.http.port)
    except listeners.Taken as error:
        _taken("HTTP", protocols.http, "--otlp-http-port", served, error, explicit=explicit)
        yield None
        return
    with listener:
        yield listener


def _bind_grpc(server: grpc.aio.Server, settings: Settings, served: Served) -> Address | None:
    protocols = settings.receivers.otlp.protocols
    if protocols.grpc is None:
        return None
    explicit = protocols.explicit("grpc")
    host = settings.otlp_host("grpc")
    chosen = protocols.grpc.model_copy(update={"endpoint": str(Address(host, protocols.grpc.port))})
    try:
        # Asked with a plain socket first: grpc's own error for a taken port can't be told from others.
        listeners.listen(host, protocols.grpc.port).close()
    except listeners.Taken as error:
        _taken("gRPC", protocols.grpc, "--otlp-grpc-port", served, error, explicit=explicit)
        return None
    return Address(host, otlp_grpc.bind(server, chosen))


def _taken(
    name: str, protocol: ProtocolSettings, option: str, served: Served, error: Exception, *, explicit: bool
) -> None:
    """A taken port is an error where it was asked for, else a warning."""
    if explicit:
        raise listeners.otlp_taken(name, protocol.port, option) from error
    api = listeners.address(served.api).reachable()
    served.warnings.append(listeners.otlp_skipped(name, protocol.port, option, api))


def _max_bytes(protocol: ProtocolSettings | None) -> int:
    return (protocol or GrpcSettings()).max_bytes


def _tls(protocol: ProtocolSettings | None) -> TlsSettings | None:
    return protocol.tls if protocol is not None else None


def _facts(served: Served, settings: Settings) -> dict[str, str]:
    """The addresses, as a client on this machine uses them."""
    facts = {"url": f"http://{listeners.address(served.api).reachable()}"}
    protocols = settings.receivers.otlp.protocols
    if served.otlp_grpc is not None:
        scheme = "https" if _tls(protocols.grpc) else "http"
        facts["otlp_grpc"] = f"{scheme}://{served.otlp_grpc.reachable()}"
    if served.otlp_http is not None:
        scheme = "https" if _tls(protocols.http) else "http"
        facts["otlp_http"] = f"{scheme}://{listeners.address(served.otlp_http).reachable()}"
    return {**facts, "version": __version__, "started_at": datetime.now(UTC).isoformat()}


def _say(served: Served, settings: Settings, facts: dict[str, str]) -> None:
    """Warnings, then the ready line: ``FlightDeck … is ready: name=address …``, one line on stderr."""
    lines = list(served.warnings)
    if not is_local(settings.server.host) and not settings.local_api_token.get_secret_value():
        lines.append(
            f"WARNING: listening on {settings.server.host} without FLIGHTDECK_LOCAL_API_TOKEN: others may read, "
            "and only callers on this machine may write."
        )
    names = (("api", "url"), ("otlp-grpc", "otlp_grpc"), ("otlp-http", "otlp_http"))
    addresses = " ".join(f"{name}={facts[key]}" for name, key in names if key in facts)
    lines.append(f"FlightDeck {__version__} is ready: {addresses}")
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
