"""How much all requests together may hold in memory, from their first byte to their answer."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from flightdeck.errors import Busy, TooLarge

RETRY_AFTER_S = 1.0


class Gate:
    """Counts the bytes of requests that are not answered yet. Safe for threads."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._room = max_bytes
        self._lock = threading.Lock()

    def enter(self) -> Held:
        """A request comes in: a context manager to which what it holds is added."""
        return Held(self)

    def take(self, size: int) -> None:
        """Takes room, or raises Busy."""
        with self._lock:
            if size > self._room:
                raise Busy("The receiver holds as much as it may.", retry_after_s=RETRY_AFTER_S)
            self._room -= size

    def give(self, size: int) -> None:
        """Gives room back."""
        with self._lock:
            self._room += size


class Held:
    """What one request holds; given back at the end of its ``with``."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._size = 0

    def grow(self, size: int) -> None:
        """The request holds more bytes. Raises Busy when there is no room, TooLarge when there never will be."""
        if self._size + size > self._gate.max_bytes:
            raise TooLarge(f"The request needs more than the {self._gate.max_bytes} bytes that all together may hold.")
        self._gate.take(size)
        self._size += size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gate.give(self._size)
        self._size = 0
