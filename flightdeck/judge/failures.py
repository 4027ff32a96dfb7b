"""Error rates: score tests on effective counts, so that tenants and tasks enter and rare errors stay honest."""

from __future__ import annotations

import math
from dataclasses import replace

from flightdeck.judge.comparison import Comparison, Variance
from flightdeck.judge.outcome import Limits, Outcome, Test
from flightdeck.judge.proportions import Share, difference_limits, difference_z, ratio_limits, ratio_z
from flightdeck.judge.rules import Rules


def error_rate(comparison: Comparison, rules: Rules) -> Outcome:
    """Share of failed runs."""
    own = comparison.variance(rules.k, clustered=rules.clustered)
    effect = max(1.0, own.design_effect or 1.0)
    if not math.isfinite(effect):
        return Outcome(float(comparison.theta[0]), float(comparison.theta[1]), problem="few_clusters")
    baseline, candidate = (
        Share(float(theta * n / effect), float(n / effect))
        for theta, n in zip(comparison.theta, comparison.effective_runs, strict=True)
    )
    # Without clusters a share knows its own variance: no degrees of freedom are spent on it.
    df = own.df if rules.clustered else math.inf
    gap = rules.gap(baseline.p)
    critical = rules.critical(gap)
    plain, scaled = (candidate.variance + k * k * baseline.variance for k in (1.0, rules.k))
    low, high = difference_limits(candidate, baseline, critical.value(plain, df))
    relative = Limits()
    if baseline.x > 0:
        least, most = ratio_limits(candidate, baseline, critical.value(scaled, df))
        relative = Limits(candidate.p / baseline.p - 1, least - 1, None if most is None else most - 1)
    warnings = ("deff_unknown",) if rules.clustered and candidate.x <= 0 and baseline.x <= 0 else ()
    outcome = Outcome(
        baseline=baseline.p,
        candidate=candidate.p,
        absolute=Limits(candidate.p - baseline.p, low, high),
        relative=relative,
        critical=critical,
        warnings=warnings,
    )
    if rules.guardrail.relative is None:
        z = difference_z(candidate, baseline, rules.offset)
    elif baseline.x > 0:
        z = ratio_z(candidate, baseline, rules.k)
    else:
        return replace(outcome, problem="zero_baseline")
    within = scaled * (own.within / own.value if own.value > 0 else 1.0)
    return replace(
        outcome,
        test=Test.at(z, scaled, df, critical),
        variance=Variance(scaled, scaled / effect, min(scaled, within), df, own.effective),
        gap=gap,
        harm=candidate.p - baseline.p,
    )
