"""How many more runs until a decision, and the smallest harm that the runs there are would show."""

from __future__ import annotations

import math
from dataclasses import replace

from flightdeck.judge.comparison import Variance
from flightdeck.judge.critical import Critical, normal_quantile
from flightdeck.judge.outcome import Outcome
from flightdeck.judge.special import chdtri
from flightdeck.models.verdict import RunsNeeded

_HALVINGS = 200


def power_quantile(power: float, guardrails: int) -> float:
    """Standard errors to spare, so that all of so many guardrails are decided with this power."""
    return normal_quantile(1 - (1 - power) / max(1, guardrails))


def variance_needed(distance: float, spare: float, critical: Critical, df: float = math.inf) -> float:
    """The variance at which a harm so far below the margin is decided with the wanted power."""
    if distance <= 0:
        return 0.0
    if critical.phi is None:
        return (distance / (critical.value(1.0, df) + spare)) ** 2

    def reach(variance: float) -> float:
        return (critical.value(variance, df) + spare) * math.sqrt(variance)

    low, high = (distance / 1e6) ** 2, (distance / max(spare, 1e-3)) ** 2
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        if not low < middle < high:
            break
        low, high = (middle, high) if reach(middle) < distance else (low, middle)
    return math.sqrt(low * high)


def smallest_harm(outcome: Outcome, spare: float) -> float | None:
    """The smallest harm that would be told from none at the wanted power, in the metric's unit."""
    if outcome.variance is None or outcome.critical is None:
        return None
    found = outcome.variance
    critical = outcome.critical.value(found.value, found.df) if found.value > 0 else 0.0
    smallest = (critical + spare) * math.sqrt(found.value) * outcome.unit
    return smallest if math.isfinite(smallest) else None


def _tenants_differ(found: Variance) -> bool:
    """Whether more lies between tenants than few of them show by chance, at 5 %.

    Of runs drawn one by one some tenants get more than their share: that counts as chance too, and more runs mend it.
    """
    chance = max(found.within, found.iid)
    return chance <= 0 or found.value / chance > float(chdtri(found.df, 0.05)) / found.df


def runs_needed(
    outcome: Outcome,
    counts: tuple[int, int],
    spare: float,
    hours: float | None,
    *,
    clustered: bool,
    tests: int | None = None,
) -> RunsNeeded:
    """More runs of each side, were harm and spread as they look now: to PASS, or, if asked, to FAIL.

    Args:
        outcome: of the guardrail.
        counts: values of baseline and candidate so far.
        spare: from ``power_quantile``.
        hours: how long these took to come; None when unknown.
        clustered: whether some of the variance lies between tenants.
        tests: how many share the level at which one fails; None: a harm beyond the margin is no decision to wait for.
    """
    if outcome.variance is None or outcome.critical is None:
        return RunsNeeded()
    distance, critical = outcome.gap - max(0.0, outcome.harm), outcome.critical
    if distance < 0 and tests is not None:
        distance, critical = -distance, replace(critical, alpha=critical.alpha / tests)
    if distance <= 0:
        return RunsNeeded(limited_by="effect")
    found = outcome.variance
    need = variance_needed(distance, spare, critical, found.df if clustered else math.inf)
    if clustered and found.value - found.within > need and _tenants_differ(found):
        return RunsNeeded(limited_by="tenants")
    more = max(0.0, found.value / need - 1) if need > 0 else math.inf
    if not math.isfinite(more) or more > 1e12:
        return RunsNeeded()
    baseline, candidate = (math.ceil(n * more) for n in counts)
    return RunsNeeded(baseline=baseline, candidate=candidate, hours=None if hours is None else round(hours * more, 6))
