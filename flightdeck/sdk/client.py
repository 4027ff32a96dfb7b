"""The two clients: one that blocks, one for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any, cast

import httpx

from flightdeck.sdk import calls
from flightdeck.sdk.api import Api, Json
from flightdeck.sdk.calls import Call

if TYPE_CHECKING:
    from flightdeck.models import RunEvent

Exported = tuple[bytes, dict[str, str]]


class FlightdeckClient(Api[Json, Exported]):
    """Talks to a FlightDeck server; every method blocks.

    Methods return the decoded JSON and raise ``httpx.HTTPStatusError`` on any answer of 400 and above.

    Args:
        base_url: like ``http://127.0.0.1:8765``.
        timeout_s: seconds for connecting, reading and writing, each.
        max_retries: how often a request is sent again when no answer came (never after an answer, whatever it says).
            A request whose answer was lost is then served twice; events are safe, they have ids.
        retry_backoff_s: seconds before the first repeat; doubles each time.
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
        self._base_url = base_url.rstrip("/")
        self._headers = _bearer(api_token)
        self._pauses = _Pauses(max_retries, retry_backoff_s)
        self._owned = client is None
        self._client = client or httpx.Client(timeout=timeout_s)

    def close(self) -> None:
        """Closes the connections, unless they belong to a client that was given."""
        if self._owned:
            self._client.close()

    def ingest_run_events(self, events: Iterable[RunEvent]) -> int:
        """Sends events in one request; returns how many were new. Nothing is sent when there are none."""
        batch = list(events)
        return _inserted(self._json(calls.events(batch))) if batch else 0

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
            request = _request(self._client, self._base_url, self._headers, call)
            try:
                return self._client.send(request).raise_for_status()
            except httpx.RequestError as error:
                time.sleep(self._pauses.after(attempt, error))
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
        self._base_url = base_url.rstrip("/")
        self._headers = _bearer(api_token)
        self._pauses = _Pauses(max_retries, retry_backoff_s)
        self._owned = client is None
        self._client = client or httpx.AsyncClient(timeout=timeout_s)

    async def aclose(self) -> None:
        """Closes the connections, unless they belong to a client that was given."""
        if self._owned:
            await self._client.aclose()

    async def ingest_run_events(self, events: Iterable[RunEvent]) -> int:
        """See :meth:`FlightdeckClient.ingest_run_events`."""
        batch = list(events)
        return _inserted(await self._json(calls.events(batch))) if batch else 0

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
            request = _request(self._client, self._base_url, self._headers, call)
            try:
                return (await self._client.send(request)).raise_for_status()
            except httpx.RequestError as error:
                await asyncio.sleep(self._pauses.after(attempt, error))
            attempt += 1


class _Pauses:
    """How long to wait for the next attempt."""

    def __init__(self, max_retries: int, backoff_s: float) -> None:
        self._max_retries = max_retries
        self._backoff_s = backoff_s

    def after(self, attempt: int, error: httpx.RequestError) -> float:
        """Seconds to wait after this attempt, counted from 0; raises the error when it was the last one."""
        if attempt >= self._max_retries:
            raise error
        return self._backoff_s * 2.0**attempt


def _bearer(api_token: str | None) -> dict[str, str]:
    token = (api_token or "").strip()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _request(
    client: httpx.Client | httpx.AsyncClient, base_url: str, headers: dict[str, str], call: Call
) -> httpx.Request:
    return client.build_request(
        call.method, base_url + call.path, params=call.params or None, json=call.body, headers=headers
    )


def _inserted(answer: Json) -> int:
    return int(answer["inserted"])


def _exported(answer: httpx.Response) -> Exported:
    return answer.content, {name: answer.headers[name] for name in calls.EXPORT_HEADERS if name in answer.headers}
