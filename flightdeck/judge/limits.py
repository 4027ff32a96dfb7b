"""Limits: what a policy allows a candidate whatever the baseline does (1.3's ``max_…`` keys), shown or not."""

from __future__ import annotations

import math
from dataclasses import dataclass

from flightdeck.judge.comparison import alone
from flightdeck.judge.critical import Critical
from flightdeck.judge.outcome import Limits, Test, around
from flightdeck.judge.proportions import Share, wilson, wilson_z
from flightdeck.judge.series import Series


@dataclass(frozen=True, slots=True)
class Held:
    """What is known of a candidate's value against its limit."""

    estimate: Limits
    test: Test | None = None
    design_effect: float | None = None
    deff_unknown: bool = False


def error_rate(series: Series, limit: float, critical: Critical, *, clustered: bool) -> Held:
    """A share, by Wilson's score on effective counts."""
    found = alone(series)
    if found is None:
        return Held(Limits(float(series.mean[series.side == 1].sum())) if series.counts[1] else Limits())
    own = found.variance(0.0, clustered=clustered)
    effect = max(1.0, own.design_effect or 1.0)
    p, n = float(found.theta[1]), float(found.runs[1, 0]) / effect
    if not math.isfinite(effect):
        return Held(Limits(p))
    share = Share(p * n, n)
    df = own.df if clustered else math.inf
    low, high = wilson(share, critical.value(share.variance, df))
    test = Test.at(wilson_z(share, limit), share.variance, df, critical)
    return Held(Limits(p, low, high), test, own.design_effect, clustered and share.x <= 0)


def mean(series: Series, limit: float, critical: Critical, *, clustered: bool) -> Held:
    """A mean, by the one-sample t test."""
    found = alone(series)
    if found is None:
        return Held(Limits(float(series.mean[series.side == 1].sum())) if series.counts[1] else Limits())
    own = found.variance(0.0, clustered=clustered)
    estimate = float(found.theta[1])
    if own.value <= 0:
        # Nothing spreads: at the limit is within it.
        test = Test.at(-math.inf if estimate <= limit else math.inf, 0.0, own.df, critical)
    else:
        test = Test.of(estimate - limit, own.value, own.df, critical)
    return Held(around(estimate, own.value, own.df, critical), test, own.design_effect)
