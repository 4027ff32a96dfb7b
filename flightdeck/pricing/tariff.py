"""A tariff: the integer prices that the store binds to a query, one row per usage key and stretch of time.

Prices are whole pico-USD (10**-12 USD) per token, so that the cost of a run, and any sum of costs, is an exact
integer: 1 USD per million tokens is 1,000,000 pico-USD per token, 1 USD per thousand is 1,000,000,000.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

PICO_PER_USD = 10**12
"""pico-USD in one USD."""

MAX_PRICE_PICO = 10**15
"""The dearest price a row may carry: 1,000 USD per token. A bound, so that sums of squares fit the store's Int256."""

ALWAYS_SINCE_US = -(2**63)
"""``since_us`` of a price that was always valid (least Int64)."""

ALWAYS_UNTIL_US = 2**63 - 1
"""``until_us`` of a price without an end (largest Int64)."""

DAY_S = 86_400
"""Seconds of a UTC day."""


class UsageKey(NamedTuple):
    """What a price is looked up by: the provider, model and input tier of a row of ``usage.models``."""

    provider: str
    model: str
    input_tier: int


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The prices of one usage key while ``since_us <= t < until_us`` (µs since the epoch, UTC; t = the run's time).

    A provider may charge by the time of day: the row then holds only for runs whose second of the UTC day is in
    ``[day_since_s, day_until_s)``. At most one row of a tariff holds for a usage key at any moment.

    ``input``, ``cached``, ``creation`` and ``output`` are pico-USD per token, ``call`` is pico-USD per call.
    """

    provider: str
    model: str
    input_tier: int
    since_us: int
    until_us: int
    input: int
    cached: int
    creation: int
    output: int
    call: int = 0
    day_since_s: int = 0
    day_until_s: int = DAY_S

    def __post_init__(self) -> None:
        for price in (self.input, self.cached, self.creation, self.output, self.call):
            if not 0 <= price <= MAX_PRICE_PICO:
                raise ValueError(f"price out of range: {price} pico-USD for {self.provider}/{self.model}")

    @property
    def key(self) -> UsageKey:
        """The usage key that this row prices."""
        return UsageKey(self.provider, self.model, self.input_tier)

    def covers(self, time_us: int) -> bool:
        """Whether the row holds for a run at ``time_us``."""
        second_of_day = time_us // 1_000_000 % DAY_S
        return self.since_us <= time_us < self.until_us and self.day_since_s <= second_of_day < self.day_until_s

    def cost(self, *, calls: int, input_tokens: int, cached: int, creation: int, output: int) -> int:
        """The cost in pico-USD of one row of ``usage.models``: every token falls in exactly one bucket.

        ``input_tokens`` includes ``cached`` and ``creation`` tokens. Where it cannot (they are more than the input),
        the emitter counted them apart and nothing is subtracted (difference D1). Output includes reasoning tokens.

        >>> row = PriceRow("p", "m", 0, ALWAYS_SINCE_US, ALWAYS_UNTIL_US, input=10, cached=1, creation=12, output=40)
        >>> row.cost(calls=1, input_tokens=100, cached=60, creation=20, output=5)  # 20*10 + 60*1 + 20*12 + 5*40
        700
        """
        special = cached + creation
        fresh = input_tokens - special if special <= input_tokens else input_tokens
        return (
            calls * self.call
            + fresh * self.input
            + cached * self.cached
            + creation * self.creation
            + output * self.output
        )


@dataclass(frozen=True, slots=True)
class Tariff:
    """A named set of price rows under which runs are costed. A usage key without a row is unpriced, never free."""

    name: str
    rows: Sequence[PriceRow]
