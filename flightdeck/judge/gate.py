"""The gate: whether 1.3's limits and the verdict let a candidate through, by the policy."""

from __future__ import annotations

from flightdeck.models import Policy
from flightdeck.models.verdict import Status


def blocks(policy: Policy, *, limits_passed: bool, status: Status) -> bool:
    """Whether a promotion, or ``--fail-on-policy``, stops here.

    Args:
        policy: without ``statistics`` its limits decide alone.
        limits_passed: what 1.3's rules say.
        status: the verdict's. INCONCLUSIVE passes where the policy allows it, NODATA never.
    """
    statistics = policy.statistics
    if statistics is None or statistics.gate == "legacy":
        return not limits_passed
    allowed = status == "PASS" or (status == "INCONCLUSIVE" and statistics.on_inconclusive == "allow")
    return not allowed or (statistics.gate == "both" and not limits_passed)
