"""What both protocols share: who may write, how much is held, where a signal goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from flightdeck.access import Access
from flightdeck.errors import Unauthenticated
from flightdeck.otel.receiver.counters import Counters
from flightdeck.otel.receiver.gate import Gate
from flightdeck.otel.scores import Score

MIB = 1024 * 1024
HOW_TO_SEND = (
    "Exporters send it by OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN; flightdeck.otel does, where "
    "FLIGHTDECK_URL and FLIGHTDECK_LOCAL_API_TOKEN are set and no OTLP endpoint."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: the number of the workspace that its token writes to, and over which transport."""

    transport: str
    workspace: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A request that was taken over, at least in part.

    ``message`` says which items were rejected and why; with nothing rejected it is a warning, or "".
    """

    accepted: int
    rejected: int = 0
    message: str = ""


class Sink(Protocol):
    """Where the receiver's work goes.

    Both methods return when the data is safe; they raise Permanent when repeating is no use, Retryable when it is.
    """

    async def spans(self, body: bytes, caller: Caller) -> Outcome:
        """Takes an ``ExportTraceServiceRequest``; counts its spans."""

    async def scores(self, scores: Sequence[Score]) -> None:
        """Takes scores; never called without one."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """The receiver behind both doors. ``gate`` bounds what all requests hold together, in bytes."""

    sink: Sink
    access: Access
    gate: Gate = field(default_factory=lambda: Gate(128 * MIB))
    counters: Counters = field(default_factory=Counters)
    clock_ns: Callable[[], int] = time.time_ns

    def admit(self, authorization: str | None, peer: str | None, transport: str) -> Caller:
        """Who is calling. Raises Unauthenticated or Forbidden."""
        try:
            self.access.write(authorization, peer)
        except Unauthenticated as error:
            raise Unauthenticated(error.message, hint=HOW_TO_SEND) from error
        return Caller(transport)
