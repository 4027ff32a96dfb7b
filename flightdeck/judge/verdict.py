"""The verdict: evidence and policy in, PASS, FAIL, INCONCLUSIVE or NODATA out, with every reason and number.

In this order: NODATA if a side has no finished run; FAIL if a guardrail or limit fails; INCONCLUSIVE if one is not
decided; PASS.
"""

from __future__ import annotations

from collections.abc import Sequence

from flightdeck.judge import answer
from flightdeck.judge.bounds import bounds
from flightdeck.judge.confirm import HourStatus, confirm
from flightdeck.judge.decision import Decided, Together, decide
from flightdeck.judge.evidence import Evidence
from flightdeck.judge.explain import all_failed, explain, worse_within
from flightdeck.judge.gate import blocks
from flightdeck.judge.guardrails import SIDES, Layout, assess
from flightdeck.judge.hours import Hours, arranged, disjoint
from flightdeck.judge.series import Series, moments, series
from flightdeck.judge.traffic import traffic_warnings
from flightdeck.models import Policy
from flightdeck.models.statistics import Statistics
from flightdeck.models.verdict import Scope, Status, Verdict, VerdictReason, VerdictTime, VerdictWarning

ADVICE = Statistics(time_check="warn")
"""What a policy without ``statistics`` is judged by: the defaults, but nobody asked for the runs by hour."""


def judged_by(policy: Policy) -> Statistics:
    """The policy's statistics, or those that its verdict is advice by."""
    return policy.statistics or ADVICE


_FAILED = ("worse_than_margin", "limit_exceeded")


def judge(evidence: Evidence, policy: Policy) -> Verdict:
    """Judges a candidate. The same evidence and policy give the same verdict, whenever and wherever.

    Args:
        evidence: both releases' runs in cells.
        policy: without ``statistics`` the verdict is advice, by ``ADVICE``.
    """
    statistics = judged_by(policy)
    layout = Layout(arranged(evidence, "cells"), statistics)
    runs = series(layout.frame, moments(layout.frame, "error_rate", evidence.tariff))
    empty = [side for side, count in zip(SIDES, runs.counts, strict=True) if count == 0]
    found = [assess(guardrail, layout, evidence) for guardrail in statistics.guardrails]
    limits = bounds(policy, layout, evidence)
    together = Together(decide([one for one in found if one is not None], limits, statistics.alpha), limits)
    hour_status, hours, warnings = _confirmed(together, evidence, statistics, empty)
    explain(together, evidence, statistics)
    for one in together.guardrails:
        warnings += one.own.warnings
    for bound in limits:
        warnings += bound.warnings
    warnings += worse_within(together.guardrails) + all_failed(runs)
    warnings += traffic_warnings(evidence, policy, statistics, runs.counts)
    whole = _no_data(empty) or _whole(evidence, statistics)
    status = _status(together, whole, empty=bool(empty))
    return Verdict(
        status=status,
        reasons=whole if empty else _reasons(together, whole, status),
        warnings=[VerdictWarning(code=code, message=message) for code, message in dict.fromkeys(warnings)],
        gate="legacy" if policy.statistics is None else statistics.gate,
        blocks=blocks(policy.statistics, status),
        mode="sequential" if statistics.sequential else "fixed",
        alpha=statistics.alpha,
        power=statistics.power,
        scope=_scope(together.guardrails, layout, runs),
        as_of=evidence.as_of,
        metrics=[answer.metric(one) for one in together.guardrails],
        limits=[answer.limit(bound) for bound in limits],
        mix=answer.mix(together.guardrails),
        clusters=answer.clusters(runs, statistics),
        time=VerdictTime(windows=answer.windows(evidence), hour_status=hour_status, hours=hours.width),
        runs_needed=answer.most_needed(together.guardrails, status),
    )


def _confirmed(
    together: Together, evidence: Evidence, statistics: Statistics, empty: Sequence[str]
) -> tuple[HourStatus, Hours, list[tuple[str, str]]]:
    if not empty:
        return confirm(together, evidence, statistics)
    for one in together.guardrails:
        one.status = "NODATA"
    for bound in together.limits:
        bound.status = "NODATA"
    return "off" if statistics.time_check == "off" else "unchecked", Hours(None), []


def _status(together: Together, whole: Sequence[VerdictReason], *, empty: bool) -> Status:
    if empty:
        return "NODATA"
    found = [one.status for one in together.guardrails] + [bound.status for bound in together.limits]
    if "FAIL" in found:
        return "FAIL"
    return "PASS" if not whole and all(status == "PASS" for status in found) else "INCONCLUSIVE"


def _no_data(empty: Sequence[str]) -> list[VerdictReason]:
    return [
        VerdictReason(code="no_data", message=f"no evidence: {side} has no finished run in the window")
        for side in empty
    ]


def _whole(evidence: Evidence, statistics: Statistics) -> list[VerdictReason]:
    if not (statistics.require_concurrent and disjoint(evidence)):
        return []
    message = "the releases ran at different times; the policy requires that they run side by side"
    return [VerdictReason(code="windows_disjoint", message=message)]


def _reasons(together: Together, whole: Sequence[VerdictReason], status: Status) -> list[VerdictReason]:
    """Of everything that did not pass; what failed stands first."""
    reasons = [reason for one in together.guardrails for reason in one.reasons]
    reasons += [reason for bound in together.limits for reason in bound.reasons()]
    reasons += whole
    return sorted(reasons, key=lambda reason: reason.code not in _FAILED) if status == "FAIL" else reasons


def _scope(decided: Sequence[Decided], layout: Layout, runs: Series) -> Scope | None:
    """The narrowest of the guardrails'."""
    if 0 in runs.counts:
        return None
    scopes = {one.own.scope for one in decided if one.own.outcome is not None} or {layout.scope(runs)}
    narrowest: tuple[Scope, ...] = ("observed_tenants", "runs", "tenants")
    return next(scope for scope in narrowest if scope in scopes)
