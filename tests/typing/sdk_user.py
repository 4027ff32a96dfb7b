"""What a type checker says of a user's code: read by ``mypy --strict``, never run."""

from __future__ import annotations

from typing import Any, assert_type

import httpx

from flightdeck.models import RunEvent
from flightdeck.sdk import AsyncFlightdeckClient, FlightdeckClient

Json = dict[str, Any]
Exported = tuple[bytes, dict[str, str]]


def blocking(events: list[RunEvent]) -> None:
    with FlightdeckClient("http://server", client=httpx.Client()) as client:
        assert_type(client, FlightdeckClient)
        assert_type(client.health(), Json)
        assert_type(client.post_diff(baseline_release_id="b", candidate_release_id="c", window="7d"), Json)
        assert_type(client.fetch_runs_export_ndjson(release_id="r", window="7d"), Exported)
        assert_type(client.ingest_run_events(events), int)
        client.list_runs(release_id="r")  # type: ignore[call-arg] # window is missing
        client.health("extra")  # type: ignore[call-arg]


async def asynchronous(events: list[RunEvent]) -> None:
    async with AsyncFlightdeckClient("http://server", client=httpx.AsyncClient()) as client:
        assert_type(client, AsyncFlightdeckClient)
        assert_type(await client.health(), Json)
        assert_type(await client.fetch_runs_export_ndjson(release_id="r", window="7d"), Exported)
        assert_type(await client.ingest_run_events_batch(events, chunk_size=10), int)
