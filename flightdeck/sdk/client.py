"""The two clients: one that blocks, one for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import httpx

from flightdeck.sdk import calls
from flightdeck.sdk.api import Api
from flightdeck.sdk.caller import Json
from flightdeck.sdk.calls import Call
from flightdeck.sdk.retry import Retries

if TYPE_CHECKING:
    from typing import Self

    from flightdeck.models import RunEvent

Exported = tuple[bytes, dict[str, str]]


class FlightdeckClient(Api[Json, Exported]):
    """Talks to a FlightDeck server; every method blocks.

    Methods return the decoded JSON and raise ``httpx.HTTPStatusError`` on any answer of 400 and above. As a context
    manager the client closes itself.

    Args:
        base_url: like ``http://127.0.0.1:8765``.
        timeout_s: seconds for connecting, reading and writing, each.
        max_retries: how often a request is sent again: when no answer came, and, where sending it twice does what
            sending it once does (reading, comparing, events), after a 429 or 503, then not before its ``Retry-After``.
            A promotion whose answer was lost may so be decided twice; events are safe, they have ids.
        retry_backoff_s: seconds before the first repetition; doubles each time.
        api_token: sent as ``Authorization: Bearer …``.
        client: an ``httpx.Client`` to use instead of an own one; :meth:`close` does not close it.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = 5.0,
        max_retries: int = 0,
        retry_backoff_s: float = 0.1,
        api_token: str | None = None,
        client: httpx.Client | None = None,
    ) -> None:
        self._server = _Server(base_url.rstrip("/"), api_token)
        self._retries = Retries(max_retries, retry_backoff_s)
        self._owned = client is None
        self._client = client or httpx.Client(timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections, unless they belong to a client that was given."""
        if self._owned:
            self._client.close()

    def post_events(self, events: Iterable[RunEvent]) -> Json:
        """Sends events in one request; returns all that the server says of them."""
        return self._json(calls.events(list(events)))

    def ingest_run_events(self, events: Iterable[RunEvent]) -> int:
        """Sends events in one request; returns how many were new. Nothing is sent when there are none."""
        batch = list(events)
        return _inserted(self.post_events(batch)) if batch else 0

    def ingest_run_events_batch(self, events: Iterable[RunEvent], *, chunk_size: int = 500) -> int:
        """Sends events ``chunk_size`` at a time, one request after the other; returns how many were new."""
        return sum(self.ingest_run_events(chunk) for chunk in calls.chunks(events, chunk_size))

    def _json(self, call: Call) -> Json:
        return cast("Json", self._send(call).json())

    def _export(self, call: Call) -> Exported:
        return _exported(self._send(call))

    def _send(self, call: Call) -> httpx.Response:
        attempt = 0
        while True:
            try:
                answer = self._client.send(self._server.request(self._client, call))
            except httpx.RequestError as error:
                pause: float | None = self._retries.after_loss(attempt, error)
            else:
                pause = self._retries.after_answer(attempt, call, answer)
                if pause is None:
                    return answer.raise_for_status()
            time.sleep(pause or 0.0)
            attempt += 1


class AsyncFlightdeckClient(Api[Coroutine[Any, Any, Json], Coroutine[Any, Any, Exported]]):
    """Talks to a FlightDeck server from asyncio: :class:`FlightdeckClient`'s arguments and methods, to be awaited."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = 5.0,
        max_retries: int = 0,
        retry_backoff_s: float = 0.1,
        api_token: str | None = None,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._server = _Server(base_url.rstrip("/"), api_token)
        self._retries = Retries(max_retries, retry_backoff_s)
        self._owned = client is None
        self._client = client or httpx.AsyncClient(timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections, unless they belong to a client that was given."""
        if self._owned:
            await self._client.aclose()

    async def post_events(self, events: Iterable[RunEvent]) -> Json:
        """See :meth:`FlightdeckClient.post_events`."""
        return await self._json(calls.events(list(events)))

    async def ingest_run_events(self, events: Iterable[RunEvent]) -> int:
        """See :meth:`FlightdeckClient.ingest_run_events`."""
        batch = list(events)
        return _inserted(await self.post_events(batch)) if batch else 0

    async def ingest_run_events_batch(self, events: Iterable[RunEvent], *, chunk_size: int = 500) -> int:
        """See :meth:`FlightdeckClient.ingest_run_events_batch`."""
        return sum([await self.ingest_run_events(chunk) for chunk in calls.chunks(events, chunk_size)])

    async def _json(self, call: Call) -> Json:
        return cast("Json", (await self._send(call)).json())

    async def _export(self, call: Call) -> Exported:
        return _exported(await self._send(call))

    async def _send(self, call: Call) -> httpx.Response:
        attempt = 0
        while True:
            try:
                answer = await self._client.send(self._server.request(self._client, call))
            except httpx.RequestError as error:
                pause: float | None = self._retries.after_loss(attempt, error)
            else:
                pause = self._retries.after_answer(attempt, call, answer)
                if pause is None:
                    return answer.raise_for_status()
            await asyncio.sleep(pause or 0.0)
            attempt += 1


class _Server:
    """Where calls go to, and what shows who calls."""

    def __init__(self, base_url: str, api_token: str | None) -> None:
        self._base_url = base_url
        token = (api_token or "").strip()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def request(self, client: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
        """A call as a request."""
        headers = self._headers if call.archive is None else {**self._headers, "Content-Type": "application/x-tar"}
        return client.build_request(
            call.method,
            self._base_url + call.path,
            params=call.params or None,
            json=call.body,
            content=call.archive,
            headers=headers,
        )


def _inserted(answer: Json) -> int:
    return int(answer["inserted"])


def _exported(answer: httpx.Response) -> Exported:
    return answer.content, {name: answer.headers[name] for name in calls.EXPORT_HEADERS if name in answer.headers}
