"""The cost of runs as SQL: a tariff bound to a query, and each run priced by model row, input tier and its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flightdeck.pricing.tariff import DAY_S, PriceRow, Tariff, UsageKey

_HASH = "cityHash64(p, m, t)"
"""A usage key as a number: of so few keys as a query has, no two share one, and numbers are found faster than texts."""


@dataclass(frozen=True, slots=True)
class BoundPrices:
    """One tariff bound to a query: its rows as arrays, the rows of one usage key next to each other."""

    number: int
    parameters: Mapping[str, Any]
    dated: bool

    @classmethod
    def of(cls, number: int, tariff: Tariff, since_us: int, until_us: int) -> BoundPrices:
        """Binds a tariff, by its number in the query, for runs in a window (Unix µs)."""
        rows = sorted(
            (row for row in tariff.rows if row.since_us < until_us and row.until_us > since_us),
            key=lambda row: (row.key, row.since_us, row.day_since_s),
        )
        first: dict[UsageKey, int] = {}
        count = [0] * len(rows)
        for at, row in enumerate(rows):
            count[first.setdefault(row.key, at)] += 1
        values = {
            "provider": [key.provider for key in first],
            "model": [key.model for key in first],
            "tier": [key.input_tier for key in first],
            "row": list(range(1, len(rows) + 1)),
            "first": [at + 1 for at in first.values()],
            "count": count,
            "since": [row.since_us for row in rows],
            "until": [row.until_us for row in rows],
            "day_since": [row.day_since_s for row in rows],
            "day_until": [row.day_until_s for row in rows],
            "call": [row.call for row in rows],
            "input": [row.input for row in rows],
            "cached": [row.cached for row in rows],
            "creation": [row.creation for row in rows],
            "output": [row.output for row in rows],
        }
        dated = not all(_always(row, since_us, until_us) for row in rows)
        return cls(number, {f"{name}_{number}": value for name, value in values.items()}, dated)

    def _bound(self, name: str, type_: str = "Int64") -> str:
        return f"{{{name}_{self.number}:Array({type_})}}"

    def _price(self, name: str) -> str:
        """The price of a bucket in row ``r``; where all rows have the same, that one."""
        if len(set(self.parameters[f"{name}_{self.number}"])) == 1:
            return f"{self._bound(name)}[1]"
        return f"transform(r, {self._bound('row', 'UInt32')}, {self._bound(name)}, toInt64(0))"

    def columns(self) -> list[str]:
        """Of each run: the price row of each of its model rows (0: none), whether it is unpriced, its cost."""
        n = self.number
        if not self.parameters[f"row_{n}"]:
            return [f"1 AS unpriced_{n}", f"toInt128(0) AS cost_{n}"]
        usage = "`models.provider`, `models.model`, `models.input_tier`"
        keys = ", ".join(
            self._bound(*name) for name in (("provider", "String"), ("model", "String"), ("tier", "UInt8"))
        )
        first = (
            f"arrayMap((p, m, t) -> transform({_HASH}, arrayMap((p, m, t) -> {_HASH}, {keys}), "
            f"{self._bound('first', 'UInt32')}, toUInt32(0)), {usage})"
        )
        if self.dated:
            first = (
                f"arrayMap(f -> arrayFirst(r -> {self._bound('since')}[r] <= unix_us "
                f"AND unix_us < {self._bound('until')}[r] "
                f"AND intDiv(unix_us, 1000000) % 86400 >= {self._bound('day_since')}[r] "
                f"AND intDiv(unix_us, 1000000) % 86400 < {self._bound('day_until')}[r], "
                f"range(f, f + toUInt32({self._bound('count')}[f]))), {first})"
            ).replace("unix_us", "toUnixTimestamp64Micro(timestamp)")
        # Every token falls in one bucket; cached and created ones beyond the input were counted apart.
        rest = "if(cached + creation > input, input, input - cached - creation)"
        buckets = [(rest, "input"), ("cached", "cached"), ("creation", "creation"), ("output", "output")]
        read = ["input", "cached", "creation", "output"]
        if any(self.parameters[f"call_{n}"]):  # rare, and a column less to read
            buckets.append(("calls", "call"))
            read.append("calls")
        terms = " + ".join(f"toInt128({amount}) * {self._price(price)}" for amount, price in buckets)
        columns = ", ".join(f"`models.{name}`" for name in read)
        cost = f"arraySum((r, {', '.join(read)}) -> {terms}, rows_{n}, {columns})"
        return [
            f"{first} AS rows_{n}",
            f"empty(rows_{n}) OR has(rows_{n}, 0) AS unpriced_{n}",
            f"if(unpriced_{n}, toInt128(0), {cost}) AS cost_{n}",
        ]

    def sums(self, *, shape: bool = False, successes: bool = False) -> list[str]:
        """Of each cell: unpriced runs, Σc and Σc²; then the successful ones' number and Σc, then Σc³ and the largest c.

        Args:
            shape: with the last two.
            successes: with the two before.
        """
        n = self.number
        sums = [f"countIf(unpriced_{n})", f"sum(toInt256(cost_{n}))", f"sum(toInt256(cost_{n}) * cost_{n})"]
        sums += (
            [f"countIf(success AND NOT unpriced_{n})", f"sumIf(toInt256(cost_{n}), success)"] if successes else _NONE
        )
        cubes = f"sum(toFloat64(cost_{n}) * toFloat64(cost_{n}) * toFloat64(cost_{n}))"
        return sums + ([cubes, f"max(cost_{n})"] if shape else _NONE)


_NONE = ["NULL", "NULL"]


def _always(row: PriceRow, since_us: int, until_us: int) -> bool:
    """Whether a price holds at any moment of a window."""
    return row.since_us <= since_us and until_us <= row.until_us and row.day_since_s == 0 and row.day_until_s >= DAY_S
