"""The gate: whether 1.3's limits and the verdict let a candidate through, by the policy."""

from __future__ import annotations

from flightdeck.models import Policy, PolicyResult, Verdict


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
    """A verdict's reasons as a policy gives them; its status where it has none."""
    return [f"verdict {verdict.status}: {reason.message}" for reason in verdict.reasons] or [
        f"verdict {verdict.status}"
    ]
