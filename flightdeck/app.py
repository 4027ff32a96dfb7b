"""Builds a server's parts from its settings, in the order in which one needs another.

Nothing is opened by building. What is used opens itself, once; :meth:`App.start` opens everything, so that a server is
warm before it answers.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from flightdeck.access import access
from flightdeck.ingest.assembler import Assembler
from flightdeck.ingest.commit import SpanCommit
from flightdeck.ingest.events import EventIngest
from flightdeck.ingest.spans import SpanIngest
from flightdeck.ledger import Ledger
from flightdeck.otel.receiver import Caller, Outcome, Receiver
from flightdeck.otel.receiver.counters import Counters
from flightdeck.otel.runs import Options
from flightdeck.otel.scores import Score
from flightdeck.settings import Settings
from flightdeck.store import landing, schema, scores
from flightdeck.store.client import Engine
from flightdeck.store.usage import UsageMemory
from flightdeck.webhooks import Dispatcher

Part = TypeVar("Part")
WRITER_BITS = 63
CLOSE_S = 0.5
"""Seconds that each part has to close, whatever was spent on draining."""


class Once(Generic[Part]):
    """A part that is made when it is first asked for, by one thread, while others wait."""

    def __init__(self, make: Callable[[], Part]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self.made: Part | None = None

    def __call__(self) -> Part:
        """The part; raises what making it raised, and tries again the next time."""
        if (part := self.made) is not None:
            return part
        with self._lock:
            if (part := self.made) is None:
                part = self.made = self._make()
            return part

    def take(self) -> Part | None:
        """Takes the part out, if it was made; the next to ask makes another."""
        with self._lock:
            part, self.made = self.made, None
        return part


@dataclass(frozen=True, slots=True)
class SpanIn:
    """The way of spans: received, committed together, assembled."""

    commit: SpanCommit
    ingest: SpanIngest
    assembler: Assembler


class App:
    """One workspace's parts.

    Lifecycle: ``start`` may be left out; ``close`` drains first and may be called more than once and without ``start``;
    what is used after it opens again. Nothing that was acknowledged is lost if it is not called: what is not yet
    assembled is after the next start.

    Attributes:
        settings: the workspace's, its folder absolute.
        access: who may read and write.
        ledger: releases, prices, policies.
        engine: the store, at this program's schema.
        events: ingest of native events.
        spans: ingest of spans.
        usage: what models the runs of releases use, as far as diffs have seen it.
        webhooks: sends what decisions put into the outbox; runs once it is asked for.
        receiver: what OTLP requests go to.
    """

    def __init__(self, settings: Settings, *, beside_former: bool = False) -> None:
        # Absolute, because opening an embedded store changes the working directory for a moment.
        self.settings = settings.model_copy(update={"workspace": settings.workspace.resolve()})
        self.access = access(settings.local_api_token.get_secret_value(), settings.server.hosts)
        self.ledger = Once(lambda: Ledger.open(self.settings.ledger, beside_former=beside_former))
        self.engine = Once(self._open_engine)
        self.events = Once(self._open_events)
        self.spans = Once(self._open_spans)
        self.webhooks = Once(self._open_webhooks)
        self.usage = UsageMemory()
        self._owned = False
        self._counters = Counters()
        self.receiver = Receiver(_Sink(self.spans), self.access, counters=self._counters)

    def start(self) -> None:
        """Opens everything.

        Raises:
            Misconfigured: a setting can't work.
            StoreUnavailable, LedgerUnavailable: the other side does not answer, or another process has the store.
        """
        self._owned = True
        self.engine()
        self.ledger()
        self.events()
        self.spans()
        self.webhooks()

    def close(self, drain_s: float = 0.0) -> None:
        """Commits what waits, assembles for at most so long, and closes, each within another ``CLOSE_S``."""
        deadline = time.monotonic() + drain_s

        def left() -> float:
            return max(CLOSE_S, deadline - time.monotonic())

        if (spans := self.spans.take()) is not None:
            spans.commit.drain(left())
        if (events := self.events.take()) is not None:
            events.close(left())
        if spans is not None:
            spans.assembler.drain(max(0.0, deadline - time.monotonic()))
            spans.assembler.close(left())
        if (webhooks := self.webhooks.take()) is not None:
            webhooks.close(left())
        if (engine := self.engine.take()) is not None:
            engine.close(CLOSE_S)
        if (ledger := self.ledger.take()) is not None:
            ledger.close()

    def _open_engine(self) -> Engine:
        for other in list(_UNOWNED):
            if other is not self:
                other.close()
        engine = Engine.open(self.settings.engine)
        schema.migrate(engine)
        if not self._owned:
            _UNOWNED.add(self)
        return engine

    def _open_events(self) -> EventIngest:
        return EventIngest(self.engine(), self.ledger().release_index, self.settings.batch)

    def _open_webhooks(self) -> Dispatcher:
        dispatcher = Dispatcher(self.ledger().outbox, private=self.settings.webhooks.private_addresses)
        dispatcher.start()
        return dispatcher

    def _open_spans(self) -> SpanIn:
        settings, engine = self.settings, self.engine()
        retention_days = settings.store.span_retention_days
        land = landing.prepare(
            engine,
            retention_days=retention_days,
            tenant_keys=settings.tenant_keys,
            task_keys=settings.task_keys,
        ).land
        writer = secrets.randbits(WRITER_BITS)
        assembler = Assembler(
            engine,
            self.ledger().release_index,
            settings.assembly,
            writer=writer,
            retention_days=retention_days,
            options=Options(default_environment=settings.default_environment),
        )
        assembler.start()
        commit = SpanCommit(land, settings.batch, assembler.notify, writer=writer)
        ingest = SpanIngest(commit, partial(scores.add, engine), retention_days=retention_days, counters=self._counters)
        return SpanIn(commit, ingest, assembler)


_UNOWNED: weakref.WeakSet[App] = weakref.WeakSet()
"""Apps that opened their store by themselves and that nobody closes, like those of a test client without a lifespan.

A process can have one embedded store open, so they give way when another one is opened; used again, they open again.
"""


class _Sink:
    """The receiver's way to the ingest of spans, which may not be open yet."""

    def __init__(self, spans: Once[SpanIn]) -> None:
        self._spans = spans

    async def spans(self, body: bytes, caller: Caller) -> Outcome:
        return await (await self._ingest()).spans(body, caller)

    async def scores(self, scores: Sequence[Score]) -> None:
        await (await self._ingest()).scores(scores)

    async def _ingest(self) -> SpanIngest:
        made = self._spans.made
        if made is None:
            made = await asyncio.to_thread(self._spans)
        return made.ingest


def build(settings: Settings, *, beside_former: bool = False) -> App:
    """The parts of a workspace; nothing is opened yet. ``beside_former`` is for what imports a workspace of 1.3."""
    return App(settings, beside_former=beside_former)
