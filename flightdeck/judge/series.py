"""Series: one metric of both releases, cell by cell, as arrays.

Integers are divided once, here, so sums beyond 2**53 lose nothing on the way: a cell enters as its number of values,
their mean, and their sum of squares around that mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flightdeck.judge.cells import Cell, Moments
from flightdeck.models.statistics import SCORE

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

PICO = 1e12
BASELINE, CANDIDATE = 0, 1


@dataclass(frozen=True, slots=True)
class Frame:
    """The cells of both sides in a fixed order, and where each belongs. Side 0 is the baseline."""

    cells: Sequence[Cell]
    side: Indices
    task: Indices
    tenant: Indices
    hour: Indices
    tasks: Sequence[str]
    tenants: Sequence[str]

    @classmethod
    def of(cls, baseline: Sequence[Cell], candidate: Sequence[Cell]) -> Frame:
        """Of merged cells."""
        cells = [*baseline, *candidate]
        tasks = sorted({cell.task_id for cell in cells})
        tenants = sorted({cell.tenant_id for cell in cells})
        task_at = {name: at for at, name in enumerate(tasks)}
        tenant_at = {name: at for at, name in enumerate(tenants)}
        return cls(
            cells=cells,
            side=np.array([BASELINE] * len(baseline) + [CANDIDATE] * len(candidate), dtype=np.int64),
            task=np.array([task_at[cell.task_id] for cell in cells], dtype=np.int64),
            tenant=np.array([tenant_at[cell.tenant_id] for cell in cells], dtype=np.int64),
            hour=np.array([cell.hour or 0 for cell in cells], dtype=np.int64),
            tasks=tasks,
            tenants=tenants,
        )

    def runs(self, side: int) -> int:
        """Finished runs of a side."""
        return sum(cell.runs for cell, at in zip(self.cells, self.side, strict=True) if at == side)


@dataclass(frozen=True, slots=True)
class Series:
    """One metric: per cell the number of values, their mean and sum of squares around it, in the metric's unit.

    ``counts`` and ``missing`` are of baseline and candidate: runs with and without a value. ``unusable`` counts cells
    whose sums are not numbers; they are left out, their runs are missing.
    """

    frame: Frame
    n: Floats
    mean: Floats
    ss: Floats
    counts: tuple[int, int]
    missing: tuple[int, int]
    unusable: int = 0

    @property
    def side(self) -> Indices:
        """Of each cell."""
        return self.frame.side


def moments(frame: Frame, metric: str, tariff: int) -> list[Moments | None]:
    """What each cell says of a metric; None where nobody summed it. Cost is in pico-USD."""
    if metric == "cost_usd":
        return [_cost(cell, tariff) for cell in frame.cells]
    if metric.startswith(SCORE):
        return [dict(cell.scores).get(metric.removeprefix(SCORE)) for cell in frame.cells]
    return [_OF_CELL[metric](cell) for cell in frame.cells]


def _cost(cell: Cell, tariff: int) -> Moments | None:
    if tariff >= len(cell.costs):
        return None
    cost = cell.costs[tariff]
    return Moments(cell.runs - cost.unpriced, cost.total, cost.squares, cost.cubes, cost.most)


_OF_CELL: dict[str, Callable[[Cell], Moments | None]] = {
    "error_rate": lambda cell: Moments(cell.runs, cell.errors, cell.errors),
    "latency_ms": lambda cell: cell.latency,
    "tokens_per_run": lambda cell: cell.tokens,
    "tools_per_run": lambda cell: cell.tools,
}


def series(frame: Frame, found: Sequence[Moments | None], unit: float = 1.0) -> Series:
    """Arrays of moments, which are in 1/unit of the metric's own."""
    n, mean, ss = np.zeros(len(found)), np.zeros(len(found)), np.zeros(len(found))
    counts, runs, unusable = [0, 0], [0, 0], 0
    for at, (cell, one) in enumerate(zip(frame.cells, found, strict=True)):
        side = int(frame.side[at])
        runs[side] += cell.runs
        if one is None or one.n <= 0:
            continue
        around = spread(one)
        if around is None:
            unusable += 1
            continue
        n[at], counts[side] = one.n, counts[side] + one.n
        mean[at], ss[at] = around
    return Series(
        frame=frame,
        n=n,
        mean=mean / unit,
        ss=ss / unit / unit,
        counts=(counts[0], counts[1]),
        missing=(max(0, runs[0] - counts[0]), max(0, runs[1] - counts[1])),
        unusable=unusable,
    )


def spread(one: Moments) -> tuple[float, float] | None:
    """Mean, and the sum of squares around it; None when they are not numbers."""
    try:
        mean = one.total / one.n
        if isinstance(one.total, int) and isinstance(one.squares, int):
            squares = (one.squares * one.n - one.total * one.total) / one.n
        else:
            squares = one.squares - mean * one.total
            # What is left below the digits of the sums is rounding, not spread.
            squares = 0.0 if abs(squares) <= 4e-16 * min(one.n, 1e6) * abs(one.squares) else squares
    except OverflowError:
        return None
    if not (math.isfinite(mean) and math.isfinite(squares)):
        return None
    return mean, max(0.0, squares) if one.n > 1 else 0.0


def logs(found: Sequence[Moments | None]) -> list[Moments | None]:
    """The moments of ln(max(x, 1))."""
    return [
        Moments(one.n, one.logs, one.log_squares)
        if one is not None and one.logs is not None and one.log_squares is not None
        else None
        for one in found
    ]


def shifted(own: Series, mean: Floats, ss: Floats) -> Series:
    """The same runs with other values."""
    return replace(own, mean=mean, ss=ss)


@dataclass(frozen=True, slots=True)
class Shape:
    """What warns about one side's distribution: skewness, and the largest value's share of the sum; None: unknown."""

    n: int
    skewness: float | None
    largest_share: float | None

    @classmethod
    def of(cls, frame: Frame, found: Sequence[Moments | None], side: int) -> Shape:
        """Of a side's cells."""
        own = [one for one, at in zip(found, frame.side, strict=True) if at == side and one is not None and one.n > 0]
        n, total = sum(one.n for one in own), sum(one.total for one in own)
        if not own or n < 2:
            return cls(n, None, None)
        most = None if any(one.most is None for one in own) else max(one.most or 0 for one in own)
        largest = float(most) / float(total) if most is not None and total > 0 else None
        if any(one.cubes is None for one in own):
            return cls(n, None, largest)
        mean = total / n
        second = float(sum(one.squares for one in own)) / n
        third = math.fsum(one.cubes or 0.0 for one in own) / n
        variance = second - mean * mean
        if not variance > 1e-12 * second:
            return cls(n, 0.0, largest)
        skewness = (third - 3 * mean * second + 2 * mean**3) / variance**1.5
        return cls(n, skewness if math.isfinite(skewness) else None, largest)
