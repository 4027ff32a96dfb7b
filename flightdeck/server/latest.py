"""What many requests ask at once, asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Latest(Generic[Answer]):
    """The answer to a question that is asked in a thread, for all who wait for it.

    Whoever calls gets an answer that was asked for after the call, so nobody sees an older state than by asking alone.
    One question is under way and at most one waits for its end. Belongs to the event loop that calls it; in another
    loop it begins anew.
    """

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask = ask
        self._under_way: asyncio.Task[Answer] | None = None
        self._next: asyncio.Task[Answer] | None = None

    async def __call__(self) -> Answer:
        """The answer; raises what asking raised."""
        loop = asyncio.get_running_loop()
        if self._next is None or self._next.get_loop() is not loop:
            before = self._under_way
            if before is not None and (before.done() or before.get_loop() is not loop):
                before = None
            self._next = loop.create_task(self._asked(before))
        return await asyncio.shield(self._next)

    async def _asked(self, before: asyncio.Task[Answer] | None) -> Answer:
        if before is not None:
            await asyncio.wait([before])
        self._under_way, self._next = self._next, None
        return await asyncio.to_thread(self._ask)
