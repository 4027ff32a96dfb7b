"""The verdict's sentences."""

from __future__ import annotations

from collections.abc import Sequence

from flightdeck.judge.guardrails import Assessment
from flightdeck.judge.outcome import Limits
from flightdeck.judge.quantities import range_of, unit, unit_of_effect, value

_MOST_NAMES = 5


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
    of = unit_of_effect(unit(guardrail.metric), relative=relative)
    found = outcome.relative if relative else outcome.absolute
    margin = guardrail.relative if guardrail.relative is not None else guardrail.absolute or 0.0
    return f"{_between(found, of)} against a margin of {value(assessment.guardrail.harm * margin, of)}"


def _between(found: Limits, of: str) -> str:
    if found.estimate is None:
        return "an unknown change"
    return f"changed by {value(found.estimate, of)} ({range_of(found.low, found.high, of)})"
