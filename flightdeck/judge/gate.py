"""The gate: whether 1.3's limits and the verdict let a candidate through, by the policy."""

from __future__ import annotations

from flightdeck.models import Policy, PolicyResult, Verdict, VerdictReason
from flightdeck.models.statistics import Statistics
from flightdeck.models.verdict import Status, guardrail_name


def blocks(statistics: Statistics | None, status: Status) -> bool:
    """Whether a policy with these ``statistics`` lets a verdict block: INCONCLUSIVE may pass, NODATA never."""
    if statistics is None or statistics.gate == "legacy":
        return False
    return status != "PASS" and not (status == "INCONCLUSIVE" and statistics.on_inconclusive == "allow")


def gate(policy: Policy, limits: PolicyResult, verdict: Verdict) -> PolicyResult:
    """What blocks a promotion, or ``--fail-on-policy``, and why: there are reasons exactly when it does not pass.

    Args:
        policy: without ``statistics`` its limits decide alone; else ``statistics.gate`` says what does.
        limits: what 1.3's rules say.
        verdict: the judge's.
    """
    statistics = policy.statistics
    if statistics is None or statistics.gate == "legacy":
        return limits
    reasons = list(limits.reasons) if statistics.gate == "both" else []
    if blocks(statistics, verdict.status):
        reasons += objections(verdict)
    return PolicyResult(passed=not reasons, reasons=reasons, evaluated_at=limits.evaluated_at)


def objections(verdict: Verdict) -> list[str]:
    """A verdict's reasons as a policy gives them, each with its own status; the verdict's where it has none."""
    return [f"verdict {status_of(reason, verdict)}: {reason.message}" for reason in verdict.reasons] or [
        f"verdict {verdict.status}"
    ]


def limits_reasons(policy: PolicyResult, verdict: Verdict) -> list[str]:
    """What of a policy's reasons is not the verdict's: ``gate`` puts these last."""
    return policy.reasons[: len(policy.reasons) - (len(objections(verdict)) if verdict.blocks else 0)]


def status_of(reason: VerdictReason, verdict: Verdict) -> Status:
    """What a reason says of its guardrail or limit, or of the evidence: beside a FAIL others may be undecided."""
    own = [one.status for one in verdict.metrics if guardrail_name(one.name, one.estimand) == reason.name]
    own += [one.status for one in verdict.limits if one.name == reason.name]
    if own:
        return own[0]
    judged = bool(verdict.metrics or verdict.limits)
    # Only a guardrail or limit can fail, the evidence as a whole can't.
    return "INCONCLUSIVE" if judged and verdict.status == "FAIL" and not reason.name else verdict.status
