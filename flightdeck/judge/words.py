"""The verdict's sentences."""

from __future__ import annotations

from collections.abc import Sequence

from flightdeck.judge.decision import ByHour
from flightdeck.judge.guardrails import Assessment
from flightdeck.judge.outcome import Limits
from flightdeck.judge.quantities import range_of, unit, unit_of_effect, value
from flightdeck.models.verdict import Status

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


_WOULD: dict[Status, str] = {"PASS": "would pass", "FAIL": "would fail"}


def by_hour(assessment: Assessment, found: ByHour) -> str:
    """What a guardrail shows, and what of it stays when stretches of UTC time are compared with one another."""
    said = f"{assessment.name} {effect(assessment)}, which {_WOULD[found.without]}; "
    said += f"compared within the same {found.width} h of UTC time, "
    if found.own.outcome is None:
        return f"{said}too little is left to tell"
    relative = assessment.guardrail.relative is not None
    change = found.own.outcome.relative if relative else found.own.outcome.absolute
    between = _between(change, unit_of_effect(unit(assessment.guardrail.metric), relative=relative))
    return f"{said}it {between}, which {_WOULD.get(found.status, 'does not decide it')}"


def _between(found: Limits, of: str) -> str:
    if found.estimate is None:
        return "changed by an unknown amount"
    return f"changed by {value(found.estimate, of)} ({range_of(found.low, found.high, of)})"
