"""The gate: whether 1.3's limits and the verdict let a candidate through, by the policy."""

from __future__ import annotations

from flightdeck.models import Policy, PolicyResult, Verdict, VerdictReason
from flightdeck.models.verdict import Status, guardrail_name


def gate(policy: Policy, limits: PolicyResult, verdict: Verdict) -> PolicyResult:
    """What blocks a promotion, or ``--fail-on-policy``, and why: there are reasons exactly when it does not pass.

    Args:
        policy: without ``statistics`` its limits decide alone; else ``statistics.gate`` says what does.
        limits: what 1.3's rules say.
        verdict: the judge's. INCONCLUSIVE passes where the policy allows it, NODATA never.
    """
    statistics = policy.statistics
    if statistics is None or statistics.gate == "legacy":
        return limits
    reasons = list(limits.reasons) if statistics.gate == "both" else []
    allowed = {"PASS"} | ({"INCONCLUSIVE"} if statistics.on_inconclusive == "allow" else set())
    if verdict.status not in allowed:
        reasons += objections(verdict)
    return PolicyResult(passed=not reasons, reasons=reasons, evaluated_at=limits.evaluated_at)


def objections(verdict: Verdict) -> list[str]:
    """A verdict's reasons as a policy gives them, each with its own status; the verdict's where it has none."""
    return [f"verdict {status_of(reason, verdict)}: {reason.message}" for reason in verdict.reasons] or [
        f"verdict {verdict.status}"
    ]


def status_of(reason: VerdictReason, verdict: Verdict) -> Status:
    """What a reason says of its guardrail or limit, or of the evidence: beside a FAIL others may be undecided."""
    own = [one.status for one in verdict.metrics if guardrail_name(one.name, one.estimand) == reason.name]
    own += [one.status for one in verdict.limits if one.name == reason.name]
    if own:
        return own[0]
    judged = bool(verdict.metrics or verdict.limits)
    # Only a guardrail or limit can fail, the evidence as a whole can't.
    return "INCONCLUSIVE" if judged and verdict.status == "FAIL" and not reason.name else verdict.status
