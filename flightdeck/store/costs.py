"""The cost of runs as SQL: a tariff bound to a query, and each run priced by model row, input tier and its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flightdeck.pricing.tariff import DAY_S, PriceRow, Tariff, UsageKey

_KEY = "concat(toString(length(p)), ':', p, m, ':', toString(t))"


def _key(key: UsageKey) -> str:
    """A usage key as one text, the same as the SQL above makes."""
    return f"{len(key.provider.encode())}:{key.provider}{key.model}:{key.input_tier}"


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
            "key": [_key(key) for key in first],
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

    def columns(self) -> list[str]:
        """Of each run: the price row of each of its model rows (0: none), whether it is unpriced, its cost."""
        n = self.number
        if not self.parameters[f"key_{n}"]:
            return [f"1 AS unpriced_{n}", f"toInt128(0) AS cost_{n}"]
        usage = "`models.provider`, `models.model`, `models.input_tier`"
        first = (
            f"arrayMap((p, m, t) -> transform({_KEY}, {self._bound('key', 'String')}, "
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
        terms = " + ".join(f"toInt128({amount}) * {self._bound(price)}[r]" for amount, price in buckets)
        columns = ", ".join(f"`models.{name}`" for name in read)
        cost = f"arraySum((r, {', '.join(read)}) -> {terms}, rows_{n}, {columns})"
        return [
            f"{first} AS rows_{n}",
            f"empty(rows_{n}) OR has(rows_{n}, 0) AS unpriced_{n}",
            f"if(unpriced_{n}, toInt128(0), {cost}) AS cost_{n}",
        ]

    def sums(self) -> list[str]:
        """Of each cell: unpriced runs, Σc and Σc²."""
        n = self.number
        return [f"countIf(unpriced_{n})", f"sum(toInt256(cost_{n}))", f"sum(toInt256(cost_{n}) * cost_{n})"]


def _always(row: PriceRow, since_us: int, until_us: int) -> bool:
    """Whether a price holds at any moment of a window."""
    return row.since_us <= since_us and until_us <= row.until_us and row.day_since_s == 0 and row.day_until_s >= DAY_S
