"""What the API's methods need of a client: that it sends a call. The two clients differ only in how they wait."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from flightdeck.sdk.calls import Call

Json = dict[str, Any]
Answer = TypeVar("Answer")
Export = TypeVar("Export")


class Caller(ABC, Generic[Answer, Export]):
    """Sends calls. ``Answer`` is JSON, or what is awaited for it; ``Export`` is bytes and headers, or that."""

    @abstractmethod
    def _json(self, call: Call) -> Answer:
        """Sends a request and decodes the JSON of its answer."""

    @abstractmethod
    def _export(self, call: Call) -> Export:
        """Sends a request and returns the bytes of its answer with the counting headers."""
