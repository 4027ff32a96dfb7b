"""Confirmation: what must hold hour by hour too, and what open runs leave in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from flightdeck.judge import words
from flightdeck.judge.decision import CLEAR, ByHour, Decided, Together, decide
from flightdeck.judge.evidence import Evidence
from flightdeck.judge.guardrails import Layout, assess
from flightdeck.judge.hours import Hours, disjoint
from flightdeck.judge.traffic import censored
from flightdeck.models.statistics import Statistics

HourStatus = Literal["confirmed", "confounded", "unchecked", "disjoint", "off"]
_LATENCY = "latency_ms"


def confirm(
    together: Together, evidence: Evidence, statistics: Statistics
) -> tuple[HourStatus, Hours, list[tuple[str, str]]]:
    """Takes back what does not hold when hours are made equal too, and passes of latency that open runs may spoil."""
    if censored(evidence):
        _censor(together.guardrails)
    if statistics.time_check == "off":
        return "off", Hours(None), []
    if disjoint(evidence):
        message = "the releases ran at different times, so the time of day may explain the difference"
        return "disjoint", Hours(None), [("windows_disjoint", message)]
    hours = Hours.of(evidence, statistics)
    if hours.layout is None:
        message = (
            f"too few runs lie in hours in which both releases have at least {statistics.min_stratum_runs} runs to "
            "compare, so the time of day may explain the difference"
        )
        if not all(arm.hourly for arm in evidence.arms):
            message = "the evidence is not divided by hours, so the time of day may explain the difference"
        if statistics.time_check == "require":
            for one in together.guardrails:
                _take_back(one, "time_unchecked", message)
        return "unchecked", hours, [("time_unchecked", message)]
    confounded = _confounded(together, hours.layout, evidence)
    warnings = []
    for one, by_hour in confounded:
        if statistics.time_check == "require":
            one.status, one.by_hour = "INCONCLUSIVE", by_hour
        else:
            warnings.append(("time_confounded", words.by_hour(one.own, by_hour)))
    return "confounded" if confounded else "confirmed", hours, warnings


def _censor(decided: Sequence[Decided]) -> None:
    for one in decided:
        if one.status == "PASS" and one.own.guardrail.metric == _LATENCY:
            _take_back(one, "censored", "many runs are still open, and these are the slow ones")


def _confounded(together: Together, layout: Layout, evidence: Evidence) -> list[tuple[Decided, ByHour]]:
    """What is decided one way, and what it is by hours instead; a quantile can't be compared so, and warns."""
    again = {id(one.own.guardrail): assess(one.own.guardrail, layout, evidence) for one in together.guardrails}
    kept = [(bound.status, bound.p_fail_adjusted) for bound in together.limits]
    by_hour = decide([one for one in again.values() if one is not None], together.limits, layout.statistics.alpha)
    # A limit is on the candidate as it is: hours have no say in it.
    for bound, (status, adjusted) in zip(together.limits, kept, strict=True):
        bound.status, bound.p_fail_adjusted = status, adjusted
    found = {id(one.own.guardrail): one for one in by_hour}
    for one in together.guardrails:
        if id(one.own.guardrail) not in found and one.own.decidable:
            one.own.warn("time_unchecked", "a quantile is not compared hour by hour")
    return [
        (one, ByHour(other.own, other.status, layout.hours or 1, one.status))
        for one in together.guardrails
        if one.status in CLEAR
        and (other := found.get(id(one.own.guardrail))) is not None
        and other.status != one.status
    ]


def _take_back(one: Decided, code: str, message: str) -> None:
    if one.status not in CLEAR:
        return
    one.because(code, f"{one.own.name}: would {'pass' if one.status == 'PASS' else 'fail'}, but {message}")
    one.status = "INCONCLUSIVE"
