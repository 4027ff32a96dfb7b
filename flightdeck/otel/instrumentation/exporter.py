"""The exporter ``flightdeck``: it posts an agent's runs to ``POST /v1/events``, for places where OTLP can't go.

The agent's threads only append to a queue; one background thread does everything else. It starts with the first span,
ends with ``shutdown``, and begins anew in a forked child, which leaves to its parent what the parent has collected.
"""

from __future__ import annotations

import os
import random
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from flightdeck import addresses
from flightdeck.otel.instrumentation.catalogue import Catalogue
from flightdeck.otel.instrumentation.counters import Counters
from flightdeck.otel.instrumentation.courier import Courier
from flightdeck.otel.instrumentation.interrupts import restore_interrupt
from flightdeck.otel.instrumentation.live import live
from flightdeck.otel.instrumentation.losses import Losses
from flightdeck.otel.instrumentation.settings import DEFAULT_URL, AgentSettings
from flightdeck.otel.instrumentation.throttled import ThrottledLog, logger
from flightdeck.otel.instrumentation.traces import TraceBook
from flightdeck.otel.instrumentation.wire import Wire, http_wire
from flightdeck.otel.instrumentation.worker import Worker

if TYPE_CHECKING:
    from flightdeck.otel.instrumentation.reporter import Reporter
    from flightdeck.otel.instrumentation.spool import Spool


class RunExporter(SpanExporter):
    """Takes spans, posts runs. Nothing it does raises into the caller or waits for the network there.

    With ``RunProcessor`` it knows which spans are open and posts a run as soon as it is whole; behind another span
    processor it sees ended spans only and waits five seconds after the root. ``counters`` tells what became of it all.

    Settings come from the environment; in a declarative configuration file the exporter ``flightdeck`` may say some of
    them itself (``url``, ``api_token``, ``release_id``, ``agent_id``, ``environment``, ``spool_dir``);
    the environment's token is not sent to a ``url`` other than ``FLIGHTDECK_URL``.
    """

    def __init__(
        self,
        settings: AgentSettings | None = None,
        *,
        wire: Wire = http_wire,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        **options: str,
    ) -> None:
        settings = settings or AgentSettings.read()
        if settings.url and options.get("url", settings.url).rstrip("/") != settings.url:
            options.setdefault("api_token", "")  # the environment's token is for the environment's server
        self._settings = replace(settings, **options) if options else settings  # type: ignore[arg-type]
        self._wire = wire
        self._clock = clock
        self._jitter = jitter
        self._starts_seen = False
        wrong = addresses.problem(self._settings.url) if self._settings.url else ""
        if wrong:
            logger.error("FlightDeck: %s. No runs are posted", wrong)
        self._stopped = bool(wrong)
        self._begin()
        this = weakref.ref(self)

        def begin_in_child() -> None:
            exporter = this()
            if exporter is not None:
                exporter._begin()  # noqa: SLF001 - our own

        def settle() -> None:
            exporter = this()
            if exporter is not None:
                exporter._worker.settle()  # noqa: SLF001 - our own

        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=settle, after_in_child=begin_in_child)
        live.add(self)

    def _begin(self) -> None:
        settings, clock = self._settings, self._clock
        counters = self.counters = Counters()
        losses = self._losses = Losses()
        log = self._log = ThrottledLog(clock)
        self._book = TraceBook(counters, starts_seen=self._starts_seen)
        courier = Courier(
            settings.url or DEFAULT_URL,
            settings.api_token,
            wire=self._wire,
            counters=counters,
            losses=losses,
            log=log,
            clock=clock,
            jitter=self._jitter,
        )

        def make_reporter() -> Reporter:
            from flightdeck.otel.instrumentation.reporter import Reporter  # noqa: PLC0415 - on the worker's thread

            catalogue, spool = Catalogue(courier, log, clock), _spool(settings, counters, log)
            return Reporter(settings, courier, catalogue, counters, losses, log, spool=spool, clock=clock)

        self._worker = Worker(self._book, make_reporter, counters, log, clock=clock)

    @property
    def settings(self) -> AgentSettings:
        """Where it posts to, and as whom."""
        return self._settings

    @property
    def losses(self) -> dict[str, int]:
        """Why runs were lost, and how many for each reason."""
        return self._losses.by_reason()

    @property
    def stopped(self) -> bool:
        """Whether it takes nothing any more."""
        return self._stopped

    @property
    def sees_starts(self) -> bool:
        """Whether somebody calls ``started``."""
        return self._starts_seen

    def starts_are_seen(self) -> None:
        """Says that ``started`` will be called for every span, before its ``ended``."""
        self._starts_seen = self._book.starts_seen = True

    def started(self, span: ReadableSpan) -> None:
        """Notes that a span is open."""
        try:
            if not self._stopped and span.context is not None:
                self._worker.put((span.context, span.parent))
        except Exception as error:  # noqa: BLE001 - the agent must not feel our mistakes
            self._mistake(error)

    def ended(self, span: ReadableSpan) -> None:
        """Takes a finished span."""
        try:
            if not self._stopped:
                self._worker.put(span)
        except Exception as error:  # noqa: BLE001 - the agent must not feel our mistakes
            self._mistake(error)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Takes finished spans from another processor; FAILURE only after ``shutdown``."""
        for span in spans:
            self.ended(span)
        return SpanExportResult.FAILURE if self._stopped else SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Posts every run whose root has ended; False if the server has not taken all of them in time."""
        try:
            return self._stopped or self._worker.flush(timeout_millis / 1000)
        except Exception as error:  # noqa: BLE001 - the agent must not feel our mistakes
            self._mistake(error)
            return False

    def shutdown(self) -> None:
        """Posts what can be posted in time (``FLIGHTDECK_SHUTDOWN_S``), then stops for good.

        One log line tells what was lost. With a spool nothing is: what the server has not taken waits on disk. More
        calls do nothing.
        """
        if self._stopped:
            return
        self._stopped = True
        try:
            ended = self._worker.stop(self._settings.shutdown_s)
            # Always said, even if the minute's line was: who reads the end of the log must learn that runs are missing.
            if lost := self._losses.line() if ended else "some runs may be lost: the server did not answer in time":
                logger.warning("FlightDeck: %s", lost)
            if kept := self.counters.runs_spooled:
                logger.warning("FlightDeck: %d run(s) wait in %s for the next start", kept, self._settings.spool_dir)
        except Exception as error:  # noqa: BLE001 - the agent must not feel our mistakes
            self._mistake(error)
        restore_interrupt()

    def _mistake(self, error: Exception) -> None:
        self.counters.errors += 1
        self._log.warn(f"internal error, some runs may be lost: {error!r}")


def _spool(settings: AgentSettings, counters: Counters, throttled: ThrottledLog) -> Spool | None:
    """The spool that the settings ask for; None without one, and where its folder can't be used."""
    if not settings.spool_dir:
        return None
    url = settings.url or DEFAULT_URL
    try:
        from flightdeck.otel.instrumentation.spool import Spool  # noqa: PLC0415 - on the worker's thread

        return Spool(Path(settings.spool_dir), url, most_bytes=settings.spool_bytes, counters=counters, log=throttled)
    except (OSError, ImportError) as error:  # some builds of Python have no SQLite
        counters.spool_errors += 1
        throttled.warn(f"runs wait in memory, FLIGHTDECK_SPOOL_DIR={settings.spool_dir} can't be used: {error}")
        return None
