"""What a client asks the API for: pure descriptions of requests, shared by the blocking and the asyncio client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

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
    """One request.

    Attributes:
        method: the HTTP method.
        path: below the base address.
        params: of the query.
        body: JSON; None is no body.
        archive: a tar archive, instead of JSON.
        repeatable: sending it twice does what sending it once does.
    """

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    archive: bytes | None = None
    repeatable: bool = False


def get(path: str, **params: str | int | None) -> Call:
    """A GET; parameters that are None are left out."""
    return Call("GET", path, given(**params), repeatable=True)


def post(path: str, body: Mapping[str, Any], *, repeatable: bool = False) -> Call:
    """A POST of a JSON object; fields that are None are sent as null."""
    return Call("POST", path, body=body, repeatable=repeatable)


def upload(path: str, archive: bytes, *, repeatable: bool = False, **params: str | None) -> Call:
    """A POST of a tar archive, plain or gzipped."""
    return Call("POST", path, given(**params), archive=archive, repeatable=repeatable)


def events(batch: Sequence[RunEvent]) -> Call:
    """Ingest of some events: repeatable, since a run that is known is not stored again."""
    return post("/v1/events", {"events": [event.model_dump(mode="json") for event in batch]}, repeatable=True)


def given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def under(folder: str, name: str, *more: str) -> str:
    """The path of a thing with this id, and of what is below it."""
    return "/".join([folder, quote(name, safe=""), *more])


def chunks(run_events: Iterable[RunEvent], size: int) -> list[list[RunEvent]]:
    """The events in lists of at most ``size``; ValueError when that is not positive."""
    if size <= 0:
        raise ValueError(f"chunk_size must be positive, not {size}")
    every = list(run_events)
    return [every[start : start + size] for start in range(0, len(every), size)]
