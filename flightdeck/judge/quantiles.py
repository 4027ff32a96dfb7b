"""Quantiles from histograms: order statistics at the ranks that the binomial leaves open.

Limits of one side are Woodruff's (1952), those of the effect have the shape of MOVER's (Zou and Donner, 2008) and are
as much narrower as shared tenants make them. A share q of runs lies below the quantile; how many independent runs would
know that share as well is taken from what each tenant moves in it. A limit is unbounded where fewer than one run lies
beyond its rank: p99 needs some 300 runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from flightdeck.judge.cells import BIN_BASE, Bin
from flightdeck.judge.comparison import Comparison, Variance, compare
from flightdeck.judge.critical import Critical, normal_quantile
from flightdeck.judge.outcome import Limits, Outcome, Test
from flightdeck.judge.rules import Rules
from flightdeck.judge.series import BASELINE, CANDIDATE, Floats, Frame, Indices, Series
from flightdeck.judge.special import betaincinv, ndtr

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
_LEAST_SHARED = 5
_LEAST = 1e-12
"""Of a variance that shared tenants leave: an open limit stays open."""
_FURTHEST = 38.0
"""Standard errors beyond which a tail is 0."""


# --- one side -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Distribution:
    """Shares of one side's runs by bin, in ascending order; within a bin they are spread evenly on the log scale."""

    bins: Floats
    shares: Floats

    @classmethod
    def of(cls, bins: Sequence[int], counts: Sequence[float]) -> Distribution:
        """Of weighted counts; bins may repeat, in any order."""
        values, at = np.unique(np.asarray(bins, dtype=np.int64), return_inverse=True)
        weights = np.bincount(at, np.asarray(counts, dtype=np.float64))
        return cls(values.astype(np.float64), weights / weights.sum())

    def value(self, rank: float) -> float:
        """Below which a share ``rank`` of the runs lies."""
        return float(BIN_BASE ** self.position(rank))

    def position(self, rank: float) -> float:
        """The same as a bin and the part of it that lies below."""
        cumulated = np.cumsum(self.shares)
        at = min(int(np.searchsorted(cumulated, rank * cumulated[-1], side="left")), len(self.bins) - 1)
        before = float(cumulated[at] - self.shares[at])
        inside = (rank * float(cumulated[-1]) - before) / float(self.shares[at]) if self.shares[at] > 0 else 0.0
        return float(self.bins[at]) + min(1.0, max(0.0, inside))


def ranks(q: float, n: float, tail: float) -> tuple[float | None, float | None]:
    """The ranks between which the q quantile lies, each wrong with probability ``tail``; None where none is left."""
    if n * min(q, 1 - q) <= 0:
        return None, None
    low = float(betaincinv(n * q, n * (1 - q) + 1, tail))
    # From the other end, where small tails keep their digits.
    above = float(betaincinv(n * (1 - q), n * q + 1, tail))
    return (low if low * n >= 1 else None), (1 - above if above * n >= 1 else None)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A side's quantile, known as well as ``n`` independent runs know it."""

    distribution: Distribution
    q: float
    n: float

    @property
    def value(self) -> float:
        """In the metric's unit."""
        return self.distribution.value(self.q)

    def limits(self, critical: float) -> tuple[float, float]:
        """Infinite where unbounded (0 below)."""
        if math.isinf(critical):
            return 0.0, math.inf
        low, high = ranks(self.q, self.n, float(ndtr(-critical)))
        return (
            0.0 if low is None else min(self.value, self.distribution.value(low)),
            math.inf if high is None else max(self.value, self.distribution.value(high)),
        )


# --- both sides ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bins:
    """The histograms of both sides as arrays, with the tasks' and tenants' names as numbers."""

    frame: Frame
    bin: Indices
    runs: Floats

    @classmethod
    def of(cls, baseline: Sequence[Bin], candidate: Sequence[Bin]) -> Bins:
        """Rows may repeat; those without runs are left out."""
        rows = [one for one in (*baseline, *candidate) if one.runs > 0]
        first = sum(1 for one in baseline if one.runs > 0)
        tasks, task = np.unique([one.task_id for one in rows], return_inverse=True)
        tenants, tenant = np.unique([one.tenant_id for one in rows], return_inverse=True)
        frame = Frame(
            cells=(),
            side=np.array([BASELINE] * first + [CANDIDATE] * (len(rows) - first), dtype=np.int64),
            task=task.astype(np.int64),
            tenant=tenant.astype(np.int64),
            hour=np.zeros(len(rows), dtype=np.int64),
            tasks=list(tasks),
            tenants=list(tenants),
        )
        bins = np.array([one.bin for one in rows], dtype=np.int64)
        return cls(frame, bins, np.array([float(one.runs) for one in rows]))

    @property
    def counts(self) -> tuple[int, int]:
        """Values of baseline and candidate."""
        return int(self.runs[self.frame.side == 0].sum()), int(self.runs[self.frame.side == 1].sum())

    def shares(self, below: Floats) -> Series:
        """Per row: runs, and the share of them that lies below something."""
        return Series(self.frame, self.runs, below, self.runs * below * (1 - below), self.counts, (0, 0))


@dataclass(frozen=True, slots=True)
class Pair:
    """Both sides' quantiles, and what the comparison of their shares below says.

    ``paired`` where the sides share tenants, so that what these have in common cancels. Of the variance of the
    difference of both shares, independent runs would have ``iid_share``, and more runs of the same tenants would lessen
    ``within_share``.
    """

    baseline: Estimate
    candidate: Estimate
    paired: bool
    df: float
    comparison: Comparison
    iid_share: float
    within_share: float

    def on(self, scale: Callable[[float], float]) -> Contrast:
        """Candidate - baseline on a scale."""
        return Contrast(self.baseline, self.candidate, scale, self._paired(scale))

    def _paired(self, scale: Callable[[float], float]) -> float:
        """The standard error of the difference over what it would be if the sides shared no tenant.

        One factor for limits of any confidence: a correlation inside MOVER's sum counts unevenness of the sides twice,
        and lets limits of higher confidence lie within those of lower.
        """
        if not self.paired:
            return 1.0
        candidate, baseline = (sum(_reach(side, 1.0, scale)) for side in (self.candidate, self.baseline))
        if not (0 < candidate < math.inf and 0 < baseline < math.inf):
            return 1.0
        # A share of the baseline's runs is so much wider on the scale than one of the candidate's.
        k = math.sqrt(self.baseline.n / self.candidate.n) * baseline / candidate
        apart = self.candidate.q * (1 - self.candidate.q) * (1 / self.candidate.n + k * k / self.baseline.n)
        return math.sqrt(max(_LEAST, self.comparison.paired(k) / apart))


@dataclass(frozen=True, slots=True)
class Contrast:
    """Candidate - baseline on a scale; its standard error is ``paired`` times that of sides without shared tenants."""

    baseline: Estimate
    candidate: Estimate
    scale: Callable[[float], float]
    paired: float

    @property
    def effect(self) -> float:
        """The estimate."""
        return self.scale(self.candidate.value) - self.scale(self.baseline.value)

    def limits(self, critical: float) -> tuple[float, float]:
        """Infinite where unbounded."""
        c_low, c_high = _reach(self.candidate, critical, self.scale)
        b_low, b_high = _reach(self.baseline, critical, self.scale)
        return (
            self.effect - self.paired * math.hypot(c_low, b_high),
            self.effect + self.paired * math.hypot(c_high, b_low),
        )


def _reach(side: Estimate, critical: float, scale: Callable[[float], float]) -> tuple[float, float]:
    """How far the limits lie below and above the estimate."""
    low, high = side.limits(critical)
    return scale(side.value) - scale(low), scale(high) - scale(side.value)


def pair(bins: Bins, q: float, strata: Indices, least: int, *, clustered: bool) -> Pair | None:
    """Compares the q quantiles; None without a stratum that has ``least`` values on both sides."""
    runs = compare(bins.shares(np.ones(len(bins.runs))), strata, least)
    if runs is None:
        return None
    position = np.full(int(strata.max()) + 1, -1, dtype=np.int64)
    position[runs.used] = np.arange(len(runs.used))
    at = position[strata]
    kept = at >= 0
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(kept, runs.weights[at] / runs.runs[bins.frame.side, at], 0.0) * bins.runs
    sides = [bins.frame.side == side for side in (BASELINE, CANDIDATE)]
    spread = [Distribution.of(bins.bin[kept & own], weight[kept & own]) for own in sides]
    # Of each row, the part below its own side's quantile.
    middle = np.where(bins.frame.side == CANDIDATE, spread[1].position(q), spread[0].position(q))
    comparison = compare(_by_cell(bins, np.clip(middle - bins.bin, 0.0, 1.0), strata), *_cells(bins, strata, least))
    if comparison is None:
        return None
    alone = [one.variance(0.0, clustered=clustered) for one in (comparison.flipped(), comparison)]
    floor = q * (1 - q)
    floors = [floor / float(n) for n in comparison.effective_runs]
    variances = [max(one.value, most) for one, most in zip(alone, floors, strict=True)]
    paired = clustered and comparison.shared_clusters >= _LEAST_SHARED
    df = math.inf
    if paired:
        df = comparison.variance(1.0, clustered=True).df
    elif clustered:
        # Each side's limits rest on what its own tenants say of its spread.
        df = min(one.df for one in alone)
    within = sum(max(one.within, most) for one, most in zip(alone, floors, strict=True))
    both = comparison.paired(1.0) if paired else sum(variances)
    return Pair(
        baseline=Estimate(spread[0], q, floor / variances[0]),
        candidate=Estimate(spread[1], q, floor / variances[1]),
        paired=paired,
        df=df,
        comparison=comparison,
        iid_share=_share(sum(floors), both),
        within_share=_share(within, both),
    )


def _share(part: float, whole: float) -> float:
    return part / whole if part < whole else 1.0


def _groups(bins: Bins, strata: Indices) -> tuple[Indices, Indices]:
    """Rows of one side, stratum and tenant are one cell: its first row, and the cell of each row."""
    size = len(bins.frame.tenants)
    key = (strata * size + bins.frame.tenant) * 2 + bins.frame.side
    _, first, cell = np.unique(key, return_index=True, return_inverse=True)
    return first.astype(np.int64), cell.astype(np.int64)


def _by_cell(bins: Bins, below: Floats, strata: Indices) -> Series:
    first, cell = _groups(bins, strata)
    frame = bins.frame
    n = np.asarray(np.bincount(cell, bins.runs), dtype=np.float64)
    share = np.bincount(cell, bins.runs * below) / n
    cells = Frame((), frame.side[first], frame.task[first], frame.tenant[first], frame.hour[first], (), frame.tenants)
    return Series(cells, n, share, n * share * (1 - share), bins.counts, (0, 0))


def _cells(bins: Bins, strata: Indices, least: int) -> tuple[Indices, int]:
    return strata[_groups(bins, strata)[0]], least


# --- the guardrail ------------------------------------------------------------------------------------


def quantile(found: Pair, rules: Rules) -> Outcome:
    """A quantile guardrail; relative margins on the log scale, absolute ones on the metric's."""
    baseline, candidate = found.baseline.value, found.candidate.value
    relative = rules.guardrail.relative is not None
    on_logs, plain = found.on(_log), found.on(float)
    tested = on_logs if relative else plain
    gap = math.log1p(rules.gap(baseline) / baseline) if relative else rules.offset
    critical = rules.critical(gap)
    spread = _variance(tested, critical)
    z = _z(tested, gap)
    c = critical.value(spread, found.df)
    low, high = plain.limits(c)
    log_low, log_high = on_logs.limits(c)
    return Outcome(
        baseline=baseline,
        candidate=candidate,
        absolute=Limits(candidate - baseline, _finite(low), _finite(high)),
        relative=Limits(candidate / baseline - 1, _expm1(log_low), _expm1(log_high)),
        test=Test.at(z, spread, found.df, critical),
        variance=_parts(found, spread) if math.isfinite(spread) else None,
        gap=gap,
        harm=tested.effect,
        unit=baseline if relative else 1.0,
        log_scale=relative,
        critical=critical,
    )


def _parts(found: Pair, spread: float) -> Variance:
    """What of the variance independent runs would have, and what more runs would lessen."""
    effective = found.comparison.variance(1.0, clustered=math.isfinite(found.df)).effective
    return Variance(spread, spread * found.iid_share, spread * found.within_share, found.df, effective)


def _variance(found: Contrast, critical: Critical) -> float:
    """The squared standard error that the limits of one look amount to; infinite where they are open."""
    c = normal_quantile(1 - critical.alpha)
    low, high = found.limits(c)
    sides = [side for side in (found.effect - low, high - found.effect) if math.isfinite(side)]
    return (sum(sides) / len(sides) / c) ** 2 if sides else math.inf


def _z(found: Contrast, margin: float) -> float:
    """How many standard errors wide the limits are when they touch the margin."""
    effect = found.effect
    if effect == margin:
        return 0.0

    def touches(c: float) -> bool:
        low, high = found.limits(c)
        return high >= margin if effect < margin else low <= margin

    near, far = 0.0, _FURTHEST
    if not touches(far):
        return math.copysign(math.inf, effect - margin)
    for _ in range(60):
        middle = (near + far) / 2
        near, far = (near, middle) if touches(middle) else (middle, far)
    return math.copysign((near + far) / 2, effect - margin)


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _expm1(value: float) -> float | None:
    return math.expm1(value) if -math.inf < value < 700 else None
