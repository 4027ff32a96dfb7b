"""Means of latency, cost, tokens, tools and scores: the contrast at the margin, Fieller's ratio limits, logs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from flightdeck.judge.comparison import Comparison, Variance
from flightdeck.judge.critical import Critical
from flightdeck.judge.outcome import Limits, Outcome, Test, around
from flightdeck.judge.rules import Rules

_FAR = 2.0**40
_HALVINGS = 200


def variance(comparison: Comparison, k: float, *, clustered: bool, floored: bool = True) -> Variance:
    """Of candidate - k * baseline; ``floored``: a small candidate may not claim less spread than the baseline has."""
    own = comparison.variance(k, clustered=clustered)
    factor = comparison.scale_factor(k) if floored else 1.0
    return replace(own, value=own.value * factor, iid=own.iid * factor, within=own.within * factor)


def mean(comparison: Comparison, rules: Rules, *, theta: tuple[float, float] | None = None) -> Outcome:
    """A mean.

    Args:
        comparison: of the metric, or of what a ratio's runs move (then ``theta`` are the ratios).
        rules: the guardrail's.
        theta: baseline and candidate, where they are not the comparison's means.
    """
    baseline, candidate = theta or (float(comparison.theta[0]), float(comparison.theta[1]))
    critical = rules.critical(rules.gap(baseline))

    def at(k: float) -> Variance:
        return variance(comparison, k, clustered=rules.clustered)

    same = at(1.0)
    absolute = around(candidate - baseline, same.value, same.df, critical)
    relative = relative_limits(baseline, candidate, at, critical, rules.k)
    if rules.guardrail.relative is not None and baseline <= 0:
        return Outcome(baseline, candidate, absolute, relative, critical=critical, problem="zero_baseline")
    found = at(rules.k)
    distance = rules.harm * (candidate - rules.k * baseline) - rules.offset
    return Outcome(
        baseline=baseline,
        candidate=candidate,
        absolute=absolute,
        relative=relative,
        test=Test.of(distance, found.value, found.df, critical),
        variance=found,
        gap=rules.gap(baseline),
        harm=rules.harm * (candidate - baseline),
        critical=critical,
    )


def relative_limits(
    baseline: float,
    candidate: float,
    variance_at: Callable[[float], Variance],
    critical: Critical,
    tested: float = 1.0,
) -> Limits:
    """The ratios, less 1, that the test does not reject (Fieller): open where the baseline may be 0.

    Args:
        baseline: its mean.
        candidate: likewise.
        variance_at: of candidate - k * baseline.
        critical: of the contrast at ``tested``. At larger ratios the contrast is larger, and so is the prior of looks:
            with one of a fixed size no ratio would be large enough to be rejected.
        tested: the ratio at the margin.
    """
    if baseline <= 0:
        return Limits()
    ratio = candidate / baseline

    def z(k: float) -> float:
        """In units of the critical value: -1 is the upper limit, 1 the lower one."""
        found = variance_at(k)
        distance = candidate - k * baseline
        if found.value <= 0:
            return math.copysign(math.inf, distance) if distance else 0.0
        c = critical.scaled(max(1.0, abs(k) / tested)).value(found.value, found.df)
        return distance / math.sqrt(found.value) / c

    step = max(abs(ratio), 1.0) / 32
    low = _outwards(lambda by: -z(ratio - by), step)
    high = _outwards(lambda by: z(ratio + by), step)
    return Limits(
        ratio - 1,
        None if low is None else ratio - low - 1,
        None if high is None else ratio + high - 1,
    )


def _outwards(z: Callable[[float], float], step: float) -> float | None:
    """How far from the estimate z falls to -1; None when it stays above however far."""
    if z(step * _FAR) > -1:
        return None
    near, far = 0.0, step
    while z(far) > -1:
        near, far = far, 2 * far
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        if not near < middle < far:
            break
        near, far = (middle, far) if z(middle) > -1 else (near, middle)
    return (near + far) / 2


def geometric_mean(comparison: Comparison, rules: Rules) -> Outcome:
    """A geometric mean, by t on logs; the comparison is of ln(max(x, 1))."""
    log_baseline, log_candidate = (float(theta) for theta in comparison.theta)
    baseline, candidate = math.exp(log_baseline), math.exp(log_candidate)
    gap = math.log1p(rules.gap(baseline) / baseline)
    # An absolute margin is curved on the log scale: its slope there is what multiplies the baseline.
    k = 1.0 if rules.guardrail.absolute is None else math.exp(-gap)
    critical = rules.critical(gap)
    found = variance(comparison, k, clustered=rules.clustered, floored=False)
    same = variance(comparison, 1.0, clustered=rules.clustered, floored=False)
    logs = around(log_candidate - log_baseline, same.value, same.df, critical)
    return Outcome(
        baseline=baseline,
        candidate=candidate,
        absolute=Limits(candidate - baseline),
        relative=Limits(*(None if log is None or log > 700 else math.expm1(log) for log in logs)),
        test=Test.of(log_candidate - log_baseline - gap, found.value, found.df, critical),
        variance=found,
        gap=gap,
        harm=log_candidate - log_baseline,
        unit=baseline,
        log_scale=True,
        critical=critical,
    )
