"""The run exporters of this process, for whoever must know of them without importing what they need."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flightdeck.otel.instrumentation.exporter import RunExporter

live: weakref.WeakSet[RunExporter] = weakref.WeakSet()
"""All of them; each adds itself when it is made."""


def at_work() -> list[RunExporter]:
    """Those that still take spans."""
    return [exporter for exporter in list(live) if not exporter.stopped]
