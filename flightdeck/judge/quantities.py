"""Numbers for people: in their unit, rounded to three digits. Needs the light install only."""

from __future__ import annotations

import math

from flightdeck.models.statistics import SCORE
from flightdeck.models.verdict import RunsNeeded

_UNITS = {
    "error_rate": "share",
    "latency_ms": "ms",
    "cost_usd": "USD",
    "cost_per_success": "USD",
    "tokens_per_run": "count",
    "tools_per_run": "count",
}
POINTS = "percentage points"
"""The unit of a difference of shares."""
_NO_NUMBER = {
    "tenants": "needs more tenants, not more runs of these",
    "effect": "no number of runs would pass at this effect",
}


def unit(metric: str) -> str:
    """Of a metric: ms, USD, share, count or score."""
    return "score" if metric.startswith(SCORE) else _UNITS[metric]


def unit_of_effect(of: str, *, relative: bool) -> str:
    """Of a change of a metric with this unit; a relative one is a share of the baseline."""
    if relative:
        return "share"
    return POINTS if of == "share" else of


def value(number: float, of: str) -> str:
    """A number in its unit, to three significant digits.

    >>> value(0.0312, "share"), value(0.0312, POINTS), value(1234.5, "ms"), value(0.00123, "USD"), value(7, "count")
    ('3.12 %', '3.12 percentage points', '1,234 ms', '0.00123 USD', '7.00')
    """
    if of in {"share", POINTS}:
        return f"{digits(100 * number)} {'%' if of == 'share' else of}"
    return f"{digits(number)} {of}" if of in {"ms", "USD"} else digits(number)


def digits(number: float) -> str:
    """Three significant digits; more before the point."""
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    places = max(0, 2 - math.floor(math.log10(abs(number))))
    return f"{number:,.{min(places, 12)}f}"


def range_of(low: float | None, high: float | None, of: str) -> str:
    """Two limits without their unit; an unknown or infinite one is open."""
    scale = 100.0 if of in {"share", POINTS} else 1.0
    shown = ("open" if limit is None else digits(scale * limit) for limit in (low, high))
    return " to ".join(shown)


def more_runs(needed: RunsNeeded) -> str:
    """How far a decision is, or why more runs would not bring it.

    >>> more_runs(RunsNeeded(baseline=900, candidate=1200, hours=2.5))
    'needs about 900 more runs of the baseline and 1,200 of the candidate, in about 2.5 hours at this rate'
    >>> more_runs(RunsNeeded(limited_by="effect"))
    'no number of runs would pass at this effect'
    """
    if needed.limited_by is not None:
        return _NO_NUMBER[needed.limited_by]
    if needed.baseline is None or needed.candidate is None:
        return "how many more runs it needs is unknown"
    wait = "" if needed.hours is None else f", in about {duration(3600 * needed.hours)} at this rate"
    return f"needs about {needed.baseline:,} more runs of the baseline and {needed.candidate:,} of the candidate{wait}"


def duration(seconds: float) -> str:
    """A length of time in the unit that says most.

    >>> duration(1), duration(40), duration(5400), duration(9000), duration(400_000)
    ('1 second', '40 seconds', '90 minutes', '2.5 hours', '4.6 days')
    """
    for most, length, name in ((120, 1, "second"), (7200, 60, "minute"), (172_800, 3600, "hour")):
        if seconds < most:
            number = f"{seconds / length:.{0 if length < 3600 else 1}f}"
            return f"{number} {name}{'' if number == '1' else 's'}"
    return f"{seconds / 86_400:,.1f} days"
