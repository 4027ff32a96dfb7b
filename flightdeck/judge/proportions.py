"""Shares of runs: the score tests and intervals of Miettinen and Nurminen (1985), and Wilson's.

Counts may be fractional: clusters and strata enter as effective counts (Korn and Graubard, 1998), the number of
independent runs that would say as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from flightdeck.judge.special import betaincinv

_HALVINGS = 200
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Share:
    """``x`` of ``n`` (effective) runs."""

    x: float
    n: float

    @property
    def p(self) -> float:
        """Their share."""
        return self.x / self.n

    @property
    def variance(self) -> float:
        """Of the share, never 0: one success and one failure added."""
        p = (self.x + 1) / (self.n + 2)
        return p * (1 - p) / self.n


# --- difference ---------------------------------------------------------------------------------------


def difference_z(candidate: Share, baseline: Share, delta: float) -> float:
    """Score statistic of "candidate - baseline = delta"; infinite where delta is impossible, 0 where all is open."""
    at_baseline = _restricted_difference(candidate, baseline, delta)
    at_candidate = min(1.0, max(0.0, at_baseline + delta))
    variance = at_candidate * (1 - at_candidate) / candidate.n + at_baseline * (1 - at_baseline) / baseline.n
    return _standardised(candidate.p - baseline.p - delta, variance, candidate.n + baseline.n)


def difference_limits(candidate: Share, baseline: Share, critical: float) -> tuple[float, float]:
    """The deltas that the score statistic does not reject, within -1..1."""
    middle = candidate.p - baseline.p

    def z(delta: float) -> float:
        return difference_z(candidate, baseline, delta)

    return _falling(z, critical, -1.0, middle), _falling(z, -critical, middle, 1.0)


def _restricted_difference(candidate: Share, baseline: Share, delta: float) -> float:
    """The baseline's share that is most likely when the candidate's is greater by delta: root of a cubic."""
    n, x = candidate.n + baseline.n, candidate.x + baseline.x
    low, high = max(0.0, -delta), min(1.0, 1 - delta)
    if high <= low or x <= 0:
        return min(1.0, max(0.0, low))
    if x >= n:
        return high
    l3 = n
    l2 = (candidate.n + 2 * baseline.n) * delta - n - x
    l1 = (baseline.n * delta - n - 2 * baseline.x) * delta + x
    l0 = baseline.x * delta * (1 - delta)
    third = l2 / (3 * l3)
    q = third**3 - l1 * l2 / (6 * l3 * l3) + l0 / (2 * l3)
    p = math.copysign(math.sqrt(max(0.0, third * third - l1 / (3 * l3))), q)
    angle = (math.pi + math.acos(min(1.0, max(-1.0, q / p**3)))) / 3 if p else 0.0
    root = min(high, max(low, 2 * p * math.cos(angle) - third))
    # The cosine loses digits near 0 and 1; two or three steps of Newton bring them back.
    for _ in range(4):
        slope = (3 * l3 * root + 2 * l2) * root + l1
        if slope == 0:
            break
        step = (((l3 * root + l2) * root + l1) * root + l0) / slope
        better = root - step
        if not low <= better <= high or abs(step) > (high - low) / 100:
            break
        root = better
    return root


# --- ratio --------------------------------------------------------------------------------------------


def ratio_z(candidate: Share, baseline: Share, ratio: float) -> float:
    """Score statistic of "candidate = ratio * baseline"."""
    n, x = candidate.n + baseline.n, candidate.x + baseline.x
    # The baseline's share that is most likely under it: the smaller root of a quadratic.
    a = n * ratio
    b = candidate.n * ratio + candidate.x + baseline.n + baseline.x * ratio
    root = math.sqrt(max(0.0, b * b - 4 * a * x))
    at_baseline = min(1.0, 2 * x / (b + root)) if b + root > 0 else 0.0
    at_candidate = min(1.0, ratio * at_baseline)
    variance = (
        at_candidate * (1 - at_candidate) / candidate.n + ratio * ratio * at_baseline * (1 - at_baseline) / baseline.n
    )
    return _standardised(candidate.p - ratio * baseline.p, variance, n)


def ratio_limits(candidate: Share, baseline: Share, critical: float) -> tuple[float, float | None]:
    """The ratios that the score statistic does not reject; no upper limit where the baseline has no event."""

    def z(log_ratio: float) -> float:
        return ratio_z(candidate, baseline, math.exp(log_ratio))

    far = 100.0
    if candidate.x <= 0 and baseline.x <= 0:
        return 0.0, None
    middle = far if baseline.x <= 0 else -far if candidate.x <= 0 else math.log(candidate.p / baseline.p)
    low = 0.0 if candidate.x <= 0 else math.exp(_falling(z, critical, -far, middle))
    high = None if baseline.x <= 0 else math.exp(_falling(z, -critical, middle, far))
    return low, high if high is None or high < math.exp(far * 0.99) else None


def _standardised(difference: float, variance: float, n: float) -> float:
    """Over its standard error, with Miettinen and Nurminen's N / (N - 1)."""
    variance *= n / (n - 1) if n > 1 else math.inf if variance else 1.0
    if abs(difference) <= 1e-15:
        return 0.0
    if variance <= _TINY:
        return math.copysign(math.inf, difference)
    return difference / math.sqrt(variance)


def _falling(function: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Where a falling function crosses a level; the end that it does not reach."""
    if function(low) <= level:
        return low
    if function(high) >= level:
        return high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if function(middle) > level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


# --- one share ----------------------------------------------------------------------------------------


def wilson_z(share: Share, limit: float) -> float:
    """Score statistic of "the share is ``limit``"."""
    if limit >= 1:
        return -math.inf
    if limit <= 0:
        return math.inf if share.x > 0 else 0.0
    return (share.p - limit) / math.sqrt(limit * (1 - limit) / share.n)


def wilson(share: Share, critical: float) -> tuple[float, float]:
    """Wilson's score interval."""
    if math.isinf(critical):
        return 0.0, 1.0
    c2 = critical * critical
    middle = (share.x + c2 / 2) / (share.n + c2)
    half = critical / (share.n + c2) * math.sqrt(share.n * share.p * (1 - share.p) + c2 / 4)
    low = 0.0 if share.x <= 0 else max(0.0, middle - half)
    high = 1.0 if share.x >= share.n else min(1.0, middle + half)
    return low, high


def clopper_pearson(share: Share, tail: float) -> tuple[float, float]:
    """The exact interval with at most ``tail`` on each side: wider than needed, never too narrow."""
    low = 0.0 if share.x <= 0 else float(betaincinv(share.x, share.n - share.x + 1, tail))
    high = 1.0 if share.x >= share.n else float(betaincinv(share.x + 1, share.n - share.x, 1 - tail))
    return low, high
