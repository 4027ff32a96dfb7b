"""What the receiver counts of itself, under the Collector's conventional names.

*accepted*: taken over. *refused*: answered with an error, or rejected in a partial success; the sender's fault or a
sign to slow down. *failed*: lost to a fault of ours. *dropped* (logs and metrics): accepted and not kept, by design.
A trace request that can't be read, or holds more spans than one may, is refused as one span: they were not counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from opentelemetry.metrics import Counter, Meter, NoOpMeter

Kind = Literal["spans", "log_records", "metric_points"]
Fate = Literal["accepted", "refused", "failed", "dropped"]
FATES: tuple[Fate, ...] = ("accepted", "refused", "failed", "dropped")
KINDS: tuple[Kind, ...] = ("spans", "log_records", "metric_points")
PREFIX = "flightdeck_receiver"


@dataclass(frozen=True, slots=True)
class Counters:
    """``flightdeck_receiver_<fate>_<kind>``, with attributes ``receiver`` and ``transport``."""

    meter: Meter = field(default_factory=lambda: NoOpMeter(PREFIX))
    _counters: dict[tuple[Fate, Kind], Counter] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for kind in KINDS:
            for fate in FATES:
                name = f"{PREFIX}_{fate}_{kind}"
                self._counters[fate, kind] = self.meter.create_counter(name, "1", f"{kind.replace('_', ' ')} {fate}")

    def add(self, fate: Fate, kind: Kind, count: int, transport: str) -> None:
        """Counts; nothing for 0."""
        if count:
            self._counters[fate, kind].add(count, {"receiver": "otlp", "transport": transport})
