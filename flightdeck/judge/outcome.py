"""What a test of one guardrail found, whatever its kind: effect, limits, statistic, and what runs needed rest on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from flightdeck.judge.comparison import Variance
from flightdeck.judge.critical import Critical


class Limits(NamedTuple):
    """An estimate and its limits; None is undefined or unbounded."""

    estimate: float | None = None
    low: float | None = None
    high: float | None = None


UNKNOWN = Limits()


@dataclass(frozen=True, slots=True)
class Test:
    """A statistic at the margin. ``z`` may be infinite: no spread at all."""

    z: float
    df: float
    p_pass: float
    p_fail: float

    @classmethod
    def of(cls, distance: float, variance: float, df: float, critical: Critical) -> Test:
        """Of harm beyond the margin by ``distance`` (below 0: within it)."""
        return cls.at(statistic(distance, variance), variance, df, critical)

    @classmethod
    def at(cls, z: float, variance: float, df: float, critical: Critical) -> Test:
        """Of a statistic."""
        return cls(z, df, critical.p_pass(z, variance, df), critical.p_fail(z, variance, df))


def statistic(distance: float, variance: float) -> float:
    """In standard errors; where nothing spreads, the sign decides."""
    if variance > 0:
        return distance / math.sqrt(variance)
    return math.copysign(math.inf, distance) if distance else 0.0


def around(estimate: float, variance: float, df: float, critical: Critical) -> Limits:
    """Limits at equal distance from an estimate."""
    if variance <= 0:
        return Limits(estimate, estimate, estimate)
    half = critical.value(variance, df) * math.sqrt(variance)
    return Limits(estimate, estimate - half, estimate + half) if math.isfinite(half) else Limits(estimate)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One guardrail's numbers.

    Attributes:
        baseline: the value compared, standardised.
        candidate: likewise.
        absolute: effect, candidate minus baseline, in the metric's unit.
        relative: effect as a share of the baseline.
        test: at the margin; None where it can't be made (see ``problem``).
        variance: of the contrast that was tested; ``within`` is what more runs would lessen.
        gap: the margin in the contrast's unit.
        harm: the contrast's estimate without the margin, positive is worse.
        unit: one unit of the contrast in the metric's unit, for the smallest effect that would be found.
        log_scale: whether the contrast is one of logs.
        critical: how the guardrail is decided.
        problem: why there is no test: a reason's code.
        warnings: codes.
    """

    baseline: float | None
    candidate: float | None
    absolute: Limits = UNKNOWN
    relative: Limits = UNKNOWN
    test: Test | None = None
    variance: Variance | None = None
    gap: float = 0.0
    harm: float = 0.0
    unit: float = 1.0
    log_scale: bool = False
    critical: Critical | None = None
    problem: str | None = None
    warnings: tuple[str, ...] = ()
