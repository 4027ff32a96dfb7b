"""Sending what is held, now; and what became of it all. For programs that are frozen or ended from outside."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import get_logger_provider

from flightdeck.otel.instrumentation.live import live
from flightdeck.otel.instrumentation.throttled import guarded


def flush(timeout_s: float = 2.0) -> bool:
    """Sends every span, run and score that has ended; waits for it, but no longer than ``timeout_s``.

    For the end of an invocation on a platform that freezes the process between two of them. False if the endpoint has
    not taken everything in time; what it has not stays queued.
    """
    return bool(_flush(timeout_s))


@guarded
def _flush(timeout_s: float) -> bool:
    """On a thread of its own: the SDK's processors wait for their exporters as long as those like."""
    until = time.monotonic() + timeout_s
    told: list[bool] = []

    def work() -> None:
        for provider in (trace.get_tracer_provider(), get_logger_provider()):
            force_flush: Any = getattr(provider, "force_flush", None)
            if force_flush is not None:
                left_ms = max(1, int((until - time.monotonic()) * 1000))
                told.append(bool(force_flush(left_ms)))

    thread = threading.Thread(target=guarded(work), name="flightdeck-flush", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return not thread.is_alive() and bool(told) and all(told)


def counters() -> dict[str, int]:
    """What became of the runs that this process posts itself, over all its run exporters; empty for OTLP."""
    total: Counter[str] = Counter()
    for exporter in list(live):
        total.update(exporter.counters.as_dict())
    return dict(total)


def losses() -> dict[str, int]:
    """Why runs of this process were lost, and how many for each reason; empty for OTLP."""
    total: Counter[str] = Counter()
    for exporter in list(live):
        total.update(exporter.losses)
    return dict(total)
