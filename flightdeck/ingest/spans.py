"""What the OTLP receiver's work goes to: spans are checked and committed, scores stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

from flightdeck.errors import FlightDeckError
from flightdeck.ingest.check import Checked, check
from flightdeck.ingest.commit import SpanCommit
from flightdeck.otel.receiver import Caller, Outcome, inline
from flightdeck.otel.receiver.counters import Counters, Fate
from flightdeck.otel.scores import Score


class SpanIngest:
    """The receiver's sink."""

    def __init__(
        self,
        commit: SpanCommit,
        store_scores: Callable[[Sequence[Score]], None],
        *,
        retention_days: int,
        counters: Counters | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Takes where spans and scores go.

        Args:
            commit: the group commit of spans.
            store_scores: stores scores, durably; called in a thread.
            retention_days: how long spans are kept; older ones are rejected.
            counters: what is told of each span's fate.
            clock_ns: Unix nanoseconds.
        """
        self._commit = commit
        self._store_scores = store_scores
        self._retention_days = retention_days
        self._counters = counters or Counters()
        self._clock_ns = clock_ns

    async def spans(self, body: bytes, caller: Caller) -> Outcome:
        """Checks a request, commits its good spans, and says which were rejected.

        Raises:
            Invalid: the bytes are no trace request.
            TooLarge: too many spans.
            Busy, StoreUnavailable: nothing of it is stored, or not for sure; it may be repeated.
        """
        try:
            checked = await inline.read(partial(self._check, caller), body)
        except FlightDeckError:
            self._counters.add("refused", "spans", 1, caller.transport)  # how many it holds was not found out
            raise
        try:
            if checked.spans:
                await asyncio.wrap_future(self._commit.submit(checked))
        except Exception as error:
            fate: Fate = "refused" if isinstance(error, FlightDeckError) else "failed"
            self._counters.add(fate, "spans", checked.spans + checked.rejected, caller.transport)
            raise
        self._counters.add("accepted", "spans", checked.spans, caller.transport)
        self._counters.add("refused", "spans", checked.rejected, caller.transport)
        return Outcome(checked.spans, checked.rejected, checked.message)

    async def scores(self, scores: Sequence[Score]) -> None:
        """Stores scores.

        Raises:
            StoreUnavailable: they are not stored, or not for sure; they may be sent again.
        """
        await asyncio.to_thread(self._store_scores, scores)

    def _check(self, caller: Caller, body: bytes) -> Checked:
        return check(body, now_ns=self._clock_ns(), retention_days=self._retention_days, workspace=caller.workspace)
