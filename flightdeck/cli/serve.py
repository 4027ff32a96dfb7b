"""``flightdeck serve``."""

from __future__ import annotations

import gc
import importlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import click

from flightdeck.cli.folder import workspace
from flightdeck.cli.inprocess import needs_server
from flightdeck.interruption import INTERRUPTED

PORT = click.IntRange(0, 65_535)
PROCESS = "flightdeck.server.process"


@click.command()
@click.option("--host", help="Address to listen on; also of OTLP, unless it has its own.  [default: 127.0.0.1]")
@click.option(
    "--port",
    type=PORT,
    help="Port of the API and the page; 0 takes any free one.  [default: 8765]",
)
@click.option("--otlp-grpc-port", type=PORT, help="Port of OTLP over gRPC.  [default: 4317]")
@click.option("--otlp-http-port", type=PORT, help="Port of OTLP over HTTP.  [default: 4318]")
@click.option("--reload", is_flag=True, hidden=True)
@click.option("--sqlite-lock-timeout", type=float, hidden=True)
@click.option("--retry-sqlite-lock/--no-retry-sqlite-lock", default=None, hidden=True)
def serve(
    host: str | None,
    port: int | None,
    otlp_grpc_port: int | None,
    otlp_http_port: int | None,
    reload: bool,
    sqlite_lock_timeout: float | None,
    retry_sqlite_lock: bool | None,
) -> None:
    """Serve the workspace in the current folder: API and page, OTLP over gRPC and over HTTP.

    When all is ready, one line on stderr names the addresses. A default OTLP port that is taken is left out with a
    warning; one that was asked for is an error. SIGTERM and Ctrl-C finish what was begun and exit with 0.

    \b
    Examples:
      flightdeck serve
      flightdeck serve --port 0 --otlp-grpc-port 0 --otlp-http-port 0
      FLIGHTDECK_LOCAL_API_TOKEN=secret flightdeck serve --host 0.0.0.0
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    ignored = (
        ("--reload", reload),
        ("--sqlite-lock-timeout", sqlite_lock_timeout is not None),
        ("--retry-sqlite-lock", retry_sqlite_lock is not None),
    )
    for name, given in ignored:
        if given:
            click.echo(f"NOTICE: {name} has no effect any more.", err=True)
    with _quiet_ctrl_c(), _no_collector():
        _serve(host, port, {"grpc": otlp_grpc_port, "http": otlp_http_port})


@contextmanager
def _quiet_ctrl_c() -> Iterator[None]:
    """Ends the process at once on Ctrl-C, until the server takes signals itself: nothing is opened before that.

    An exception would come up wherever the program just is, in the middle of imports for most of the start-up.
    """
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Has no garbage collected until the server is ready, which turns it on again.

    What the start makes stays: looking through it again and again costs a fifth of the start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _serve(host: str | None, port: int | None, otlp_ports: dict[Literal["grpc", "http"], int | None]) -> None:
    with needs_server("flightdeck serve"):
        process = importlib.import_module(PROCESS)
    from flightdeck.settings import load

    folder = workspace()
    if not (folder / "flightdeck.yaml").exists():
        click.echo(
            f"NOTICE: no flightdeck.yaml in {folder.resolve()}: serving with defaults, data in .flightdeck/. "
            "`flightdeck init` writes one.",
            err=True,
        )
    flags = {"server": {name: value for name, value in (("host", host), ("port", port)) if value is not None}}
    settings = load(flags, workspace=folder)
    endpoints = {name: f"{settings.otlp_host(name)}:{port}" for name, port in otlp_ports.items() if port is not None}
    protocols = {name: {"endpoint": endpoint} for name, endpoint in endpoints.items()}
    process.run(load({**flags, "receivers": {"otlp": {"protocols": protocols}}}, workspace=folder))
