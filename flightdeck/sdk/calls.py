"""What a client asks the API for: pure descriptions of requests, shared by the blocking and the asyncio client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flightdeck.models import RunEvent

EXPORT_HEADERS = (
    "X-Flightdeck-Matched-Total",
    "X-Flightdeck-Returned",
    "X-Flightdeck-Offset",
    "X-Flightdeck-Truncated",
)


@dataclass(frozen=True, slots=True)
class Call:
    """One request: method, path below the base address, query parameters, JSON body (None: no body)."""

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


def get(path: str, **params: str | int | None) -> Call:
    """A GET; parameters that are None are left out."""
    return Call("GET", path, {name: value for name, value in params.items() if value is not None})


def post(path: str, **body: Any) -> Call:  # noqa: ANN401 - JSON
    """A POST of a JSON object; fields that are None are sent as null."""
    return Call("POST", path, body=body)


def events(batch: Sequence[RunEvent]) -> Call:
    """Ingest of some events."""
    return post("/v1/events", events=[event.model_dump(mode="json") for event in batch])


def chunks(run_events: Iterable[RunEvent], size: int) -> list[list[RunEvent]]:
    """The events in lists of at most ``size``; ValueError when that is not positive."""
    if size <= 0:
        raise ValueError(f"chunk_size must be positive, not {size}")
    every = list(run_events)
    return [every[start : start + size] for start in range(0, len(every), size)]
