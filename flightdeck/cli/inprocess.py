"""The API in this process, for commands in a workspace that no server serves."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flightdeck.cli.wire import Answer
from flightdeck.errors import Misconfigured

APPLICATION = "flightdeck.server.app"


@contextmanager
def opened(folder: Path) -> Iterator[InProcess]:
    """Opens a workspace for as long as a command runs.

    Raises:
        Misconfigured: the folder is no workspace, its settings are wrong, or this is the light install.
    """
    if not (folder / "flightdeck.yaml").exists() and not (folder / ".flightdeck").exists():
        raise Misconfigured(
            f"{folder.resolve()} is no workspace: there is no flightdeck.yaml.",
            hint="Run `flightdeck init`, or name a server: FLIGHTDECK_URL=http://127.0.0.1:8765.",
        )
    with needs_server("No server runs here, and to open the workspace itself this command"):
        application = importlib.import_module(APPLICATION)
    wire = InProcess(application.create_app(lazily=True))
    try:
        yield wire
    finally:
        wire.close()


@contextmanager
def needs_server(what: str) -> Iterator[None]:
    """Around imports of the server: Misconfigured where its packages are not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("flightdeck"):
            raise
        raise Misconfigured(f"{what} needs: pip install 'flightdeck-ai[server]'") from error


class InProcess:
    """Calls an ASGI application as if it came from this machine."""

    def __init__(self, application: Any) -> None:  # noqa: ANN401 - an ASGI application
        import httpx

        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(application, client=("127.0.0.1", 0))
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=None)  # noqa: S113
        self._lifespan = application.router.lifespan_context(application)
        self._runner.run(self._lifespan.__aenter__())

    def send(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Sends one request."""
        answer = self._runner.run(self._client.request(method, target, content=body, headers=dict(headers)))
        return Answer(answer.status_code, dict(answer.headers), answer.content)

    def close(self) -> None:
        """Lets the application drain and close what it opened."""
        self._runner.run(self._lifespan.__aexit__(None, None, None))
        self._runner.run(self._client.aclose())
        self._runner.close()
