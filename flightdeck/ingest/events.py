"""Native RunEvents: a request's body in, exact counts out once its events are stored.

Bodies are read at once and fast; whatever is wrong with one is found again slowly, event by event, to answer with the
texts of 1.3. One bad event rejects its request and nobody else's.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from flightdeck.errors import Invalid, TooLarge
from flightdeck.ingest.group import GroupCommit
from flightdeck.ingest.oddities import Oddities, named
from flightdeck.ingest.unregistered import Unregistered
from flightdeck.models import RunEvent
from flightdeck.models.plain import reader
from flightdeck.otel.runs import Releases
from flightdeck.otel.scores import LONGEST_NAME, MOST_SCORES
from flightdeck.pricing.tariff import DAY_S
from flightdeck.settings import BatchSettings
from flightdeck.store.client import Engine
from flightdeck.store.eventrows import EventRow, Values, row_of_values
from flightdeck.store.events import EventCounts, insert_events

MIB = 1024 * 1024

MOST_BYTES = 64 * MIB
"""Of a request."""

MOST_EVENTS = 100_000
"""In a request."""

MOST_EVENT_BYTES = MIB
"""Of one event, as stored."""

MOST_DAYS = 366
"""That the events of a request may be of: each day is a partition of the store, and costs more than its events."""

LONGEST_ID = 4_096
"""Characters of an agent, release or run id or an environment: runs are sorted by them."""

_LARGE = MIB
"""Bodies from here on are read one at a time: as objects they take several times their size."""


class MalformedBody(Invalid):
    """The body has not the shape of a request for events. ``problems`` are FastAPI's, as 1.3 answers them (422)."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        where = ".".join(str(part) for part in problems[0]["loc"])
        super().__init__(f"{where}: {problems[0]['msg']}", field=where)
        self.problems = problems


class _Events(BaseModel):
    """A body all of whose events are right: read into dicts."""

    events: Annotated[list[RunEvent], Field(min_length=1)]


_read = reader(_Events).validate_json


class _Shape(BaseModel):
    """A body of the right shape, whatever its events say."""

    events: Annotated[list[dict[str, Any]], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Submitted:
    """Events that were read: ``counts`` ends when they are stored, ``warnings`` say what is odd about them."""

    counts: Future[EventCounts]
    warnings: list[str]


class EventIngest:
    """The way of native events into the store.

    Lifecycle: ready when made; ``close`` commits what waits and refuses what comes.
    """

    def __init__(
        self,
        engine: Engine,
        releases: Callable[[], Releases],
        settings: BatchSettings,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Takes where events go.

        Args:
            engine: the store.
            releases: the registered releases, asked once per request.
            settings: how long to gather requests for one insert, and how much may wait.
            clock_ns: Unix nanoseconds.
        """
        self._engine = engine
        self._releases = releases
        self._clock_ns = clock_ns
        self._reading = threading.Lock()
        self._unregistered = Unregistered()
        self._group: GroupCommit[Sequence[EventRow], EventCounts] = GroupCommit(
            self._commit, settings, name="event-commit"
        )

    def ingest(self, body: bytes, *, workspace: int = 0) -> EventCounts:
        """Stores the events of a request and counts what became of them; returns when they are stored.

        Raises:
            MalformedBody: it has not the shape of a request for events.
            Invalid: no JSON, or some event is wrong; nothing of the request is stored.
            TooLarge: over a bound; nothing is stored.
            Busy, StoreUnavailable: not stored, or not for sure; it may be sent again.
        """
        return self.submit(body, workspace=workspace).counts.result()

    def submit(self, body: bytes, *, workspace: int = 0, releases: Releases | None = None) -> Submitted:
        """The same, returning once the events are read. ``releases`` are those registered, where the caller asked."""
        oddities = Oddities(datetime.fromtimestamp(self._clock_ns() / 1e9, UTC))
        with self._reading if len(body) >= _LARGE else nullcontext():
            releases = self._releases() if releases is None else releases
            rows = rows_of(body, releases, workspace=workspace, oddities=oddities)
        unregistered = self._unregistered.look({row.place.release_id for row in rows}, releases)
        counts = self._group.submit(rows, sum(row.size for row in rows))
        return Submitted(counts, oddities.told(unregistered))

    def close(self, timeout_s: float = 10.0) -> None:
        """Commits what waits, as far as there is time, and refuses what comes after. May be called more than once."""
        self._group.drain(timeout_s)

    def _commit(self, requests: Sequence[Sequence[EventRow]]) -> list[EventCounts]:
        return insert_events(self._engine, requests, now_us=self._clock_ns() // 1000)


def rows_of(body: bytes, releases: Releases, *, workspace: int = 0, oddities: Oddities | None = None) -> list[EventRow]:
    """The rows of a request's events, all of them checked; what is odd about them is noted in ``oddities``.

    Raises:
        MalformedBody, Invalid, TooLarge: as ``EventIngest.ingest``.
    """
    if len(body) > MOST_BYTES:
        raise TooLarge(
            f"The request has {len(body)} bytes, more than {MOST_BYTES}.", hint="Send fewer events at a time."
        )
    try:
        events: list[Values] = _read(body)["events"]
    except ValidationError:
        events = list(_events_one_by_one(body))
    if len(events) > MOST_EVENTS:
        raise TooLarge(f"The request has {len(events)} events, more than {MOST_EVENTS}.", hint="Send fewer at a time.")
    rows = [_row(event, place, releases, workspace) for place, event in enumerate(events)]
    if oddities is not None:
        for place, (event, row) in enumerate(zip(events, rows, strict=True)):
            oddities.look(place, event, fits=row.fits)
    if (days := len({row.place.hour // DAY_S for row in rows})) > MOST_DAYS:
        raise TooLarge(
            f"The request has events of {days} different days, more than {MOST_DAYS}.",
            hint="Send events in the order of their time.",
        )
    return rows


def _row(event: Values, place: int, releases: Releases, workspace: int) -> EventRow:
    agent_id, release_id = event["agent_id"], event["release_id"]
    agent = releases.agent_of(release_id)
    if agent is not None and agent != agent_id:
        raise Invalid(
            f"Invalid RunEvent: {named(place, event['run_id'])} has agent_id {agent_id!r}, but release "
            f"{release_id} is registered for agent {agent!r}.",
            field=f"events.{place}.agent_id",
        )
    for name in ("agent_id", "release_id", "run_id", "environment"):
        if len(event[name]) > LONGEST_ID:
            raise Invalid(
                f"Invalid RunEvent: events[{place}].{name} has more than {LONGEST_ID} characters.",
                field=f"events.{place}.{name}",
            )
    if event.get("scores"):
        _bound_scores(event, place)
    row = row_of_values(event, workspace)
    if row.size > MOST_EVENT_BYTES:
        raise TooLarge(
            f"events[{place}] has {row.size} bytes, more than {MOST_EVENT_BYTES}.", hint="Shorten its labels."
        )
    return row


def _bound_scores(event: Values, place: int) -> None:
    which = f"events.{place}.scores"
    scores = event["scores"]
    if len(scores) > MOST_SCORES:
        raise Invalid(
            f"Invalid RunEvent: {named(place, event['run_id'])} has {len(scores)} scores, more than {MOST_SCORES}.",
            field=which,
        )
    for number, score in enumerate(scores):
        if max(len(score["name"]), len(score["label"] or "")) > LONGEST_NAME:
            raise Invalid(
                f"Invalid RunEvent: events[{place}].scores[{number}] has a name or label of more than {LONGEST_NAME} "
                "characters.",
                field=f"{which}.{number}",
            )


def _events_one_by_one(body: bytes) -> list[Values]:
    """The events of a body that the fast way has refused; almost always raises, with 1.3's answer."""
    events = []
    for place, item in enumerate(_shaped(body).events):
        which = named(place, item.get("run_id"))
        version = item.get("api_version", "v1")
        if version != "v1":
            raise Invalid(
                f"Unsupported api_version for POST /v1/events: {version!r} (only 'v1' is accepted).",
                field=f"events.{place}.api_version",
                hint=f"It is that of {which}.",
            )
        try:
            event = RunEvent.model_validate(item)
            to_json(event)
        except ValidationError as error:
            raise Invalid(f"Invalid RunEvent: {which}: {error}", field=f"events.{place}") from error
        except PydanticSerializationError as error:  # pydantic reads them, UTF-8 has no room for them
            raise Invalid(f"Invalid RunEvent: events[{place}] has a text with half a surrogate pair in it.") from error
        events.append(event.model_dump())
    return events


def _shaped(body: bytes) -> _Shape:
    if not body:
        raise MalformedBody([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}])
    try:
        found = json.loads(body)
    except json.JSONDecodeError as error:
        problem = {"type": "json_invalid", "loc": ["body", error.pos], "msg": "JSON decode error", "input": {}}
        raise MalformedBody([{**problem, "ctx": {"error": error.msg}}]) from error
    except (ValueError, RecursionError) as error:
        raise Invalid("There was an error parsing the body") from error
    try:
        return _Shape.model_validate(found, from_attributes=True)
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems = [{**problem, "loc": ["body", *problem["loc"]]} for problem in found]
        try:
            told = to_json(problems, inf_nan_mode="null")
        except PydanticSerializationError as unsayable:  # an answer could not repeat the input
            raise Invalid("The body has a text with half a surrogate pair in it.") from unsayable
        raise MalformedBody(json.loads(told)) from error
