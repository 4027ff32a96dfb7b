"""Everything FlightDeck raises on purpose.

::

    FlightDeckError             message · code · hint
    ├─ Permanent                the same input gets the same answer
    │  ├─ Invalid               a value that can't be taken: names field and remedy
    │  ├─ TooLarge              over a bound of size or count
    │  ├─ Unauthenticated       no or a wrong token
    │  ├─ Forbidden             known, but not allowed (or not local)
    │  ├─ NotFound
    │  ├─ Conflict              contradicts what is stored
    │  ├─ Blocked               a policy says no
    │  └─ Misconfigured         start-up only: a setting can't work
    └─ Retryable                the same input may pass later: retry_after_s
       ├─ Busy                  a bounded queue is full
       ├─ StoreUnavailable      ClickHouse does not answer
       └─ LedgerUnavailable     SQLite or PostgreSQL does not answer

Nothing here knows of HTTP, gRPC or exit codes: ``server/errors.py``, ``otel/receiver/status.py`` and ``cli`` translate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class FlightDeckError(Exception):
    """The root. ``message`` names the cause in one line, ``hint`` the remedy ("" if the message says it)."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class Permanent(FlightDeckError):
    """Repeating the same request gets the same answer."""

    code = "permanent"


class Invalid(Permanent):
    """A value that can't be taken. ``field`` is its path ("" when it is the whole input)."""

    code = "invalid"

    def __init__(self, message: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


class TooLarge(Permanent):
    """Over a bound of size, count or depth."""

    code = "too_large"


class Unauthenticated(Permanent):
    """A token is required and is missing or wrong."""

    code = "unauthenticated"


class Forbidden(Permanent):
    """Not allowed for this caller, whatever token it shows."""

    code = "forbidden"


class NotFound(Permanent):
    """Names something that does not exist."""

    code = "not_found"


class Conflict(Permanent):
    """Contradicts what is already stored."""

    code = "conflict"


class Blocked(Permanent):
    """A policy says no. ``reasons`` are the policy's, in its order; ``outcome`` is the decision, if it was recorded."""

    code = "blocked"

    def __init__(
        self,
        message: str,
        *,
        reasons: tuple[str, ...] = (),
        outcome: Mapping[str, Any] | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.reasons = reasons
        self.outcome = outcome


class Misconfigured(Permanent):
    """A setting that can't work; raised at start-up only."""

    code = "misconfigured"


class Retryable(FlightDeckError):
    """The same request may pass after ``retry_after_s`` seconds."""

    code = "retryable"

    def __init__(self, message: str, *, retry_after_s: float = 1.0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class Busy(Retryable):
    """A bounded queue is full: the sender is faster than the store."""

    code = "busy"


class StoreUnavailable(Retryable):
    """ClickHouse does not answer or refused for a reason that passes."""

    code = "store_unavailable"


class LedgerUnavailable(Retryable):
    """The ledger's database does not answer."""

    code = "ledger_unavailable"
