"""The verdict's sentences, and its numbers rounded for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flightdeck.judge.guardrails import Assessment
from flightdeck.judge.outcome import Limits
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
_MOST_NAMES = 5
_POINTS = "percentage points"


def unit(metric: str) -> str:
    """Of a metric: ms, USD, share, count or score."""
    return "score" if metric.startswith(SCORE) else _UNITS[metric]


def value(number: float, of: str) -> str:
    """A number in its unit, to three significant digits."""
    if of in {"share", _POINTS}:
        return f"{_digits(100 * number)} {'%' if of == 'share' else of}"
    return f"{_digits(number)} {of}" if of in {"ms", "USD"} else _digits(number)


def _digits(number: float) -> str:
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    places = max(0, 2 - math.floor(math.log10(abs(number))))
    return f"{number:,.{min(places, 12)}f}"


def names(found: Sequence[str]) -> str:
    """A few, and how many others."""
    shown = ", ".join(repr(name[:80]) for name in found[:_MOST_NAMES])
    more = len(found) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def effect(assessment: Assessment) -> str:
    """What was found, beside the margin."""
    guardrail, outcome = assessment.guardrail, assessment.outcome
    if outcome is None:
        return ""
    relative = guardrail.relative is not None
    of = "share" if relative else unit(guardrail.metric)
    of = _POINTS if of == "share" and not relative else of
    found = outcome.relative if relative else outcome.absolute
    margin = guardrail.relative if guardrail.relative is not None else guardrail.absolute or 0.0
    return f"{_between(found, of)} against a margin of {value(assessment.guardrail.harm * margin, of)}"


def _between(found: Limits, of: str) -> str:
    if found.estimate is None:
        return "an unknown change"
    return f"changed by {value(found.estimate, of)} ({between(found, of)})"


def between(found: Limits, of: str) -> str:
    """Limits, without their unit, which the estimate before them has."""
    scale = 100.0 if of in {"share", _POINTS} else 1.0
    low, high = ("open" if limit is None else _digits(scale * limit) for limit in (found.low, found.high))
    return f"{low} to {high}"


def more_runs(needed: RunsNeeded) -> str:
    """How far a decision is."""
    if needed.baseline is None or needed.candidate is None:
        return "how many more runs it needs is unknown"
    hours = "" if needed.hours is None else f", in about {_digits(needed.hours)} hours at this rate"
    return f"needs about {needed.baseline:,} more runs of the baseline and {needed.candidate:,} of the candidate{hours}"
