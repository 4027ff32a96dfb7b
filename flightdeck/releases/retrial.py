"""Retrials: what another policy would have said of a decision, by the evidence that it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from flightdeck.errors import Permanent
from flightdeck.models import Decision, Policy
from flightdeck.models.fields import Moment
from flightdeck.models.verdict import Status
from flightdeck.releases.rejudge import rejudge


class Said(BaseModel):
    """What a policy said; ``status`` is the verdict's, null where the judge did not speak."""

    passed: bool
    status: Status | None
    reasons: list[str]


class Retrial(BaseModel):
    """A decision, what was said then, and what would be said now: null, with a ``note`` why, where that is unknown."""

    action_id: str
    audit_seq: int
    created_at: Moment
    action: str
    agent_id: str
    environment: str
    release_id: str
    baseline_release_id: str | None
    then: Said
    now: Said | None
    note: str


def retried(decision: Decision, evidence: Mapping[str, Any], policy: Policy) -> Retrial:
    """Tries a decision again by a policy. Evidence that can't be read is told in the note, not raised."""
    now, note = _now(decision, evidence, policy)
    then = evidence.get("diff", {}).get("verdict", {}).get("status") if evidence.get("evidence") else None
    return Retrial(
        action_id=decision.action_id,
        audit_seq=decision.audit_seq,
        created_at=decision.created_at,
        action=decision.action,
        agent_id=decision.agent_id,
        environment=decision.environment,
        release_id=decision.release_id,
        baseline_release_id=decision.baseline_release_id,
        then=Said(passed=decision.policy.passed, status=then, reasons=decision.policy.reasons),
        now=now,
        note=note,
    )


def _now(decision: Decision, evidence: Mapping[str, Any], policy: Policy) -> tuple[Said | None, str]:
    if decision.baseline_release_id is None:
        return None, "the first promotion: nothing was compared"
    try:
        again = rejudge(evidence, policy)
    except Permanent as error:
        return None, str(error)
    if again is None:
        return None, "no evidence was kept"
    status = None if again.limits_only else again.verdict.status
    said = Said(passed=again.policy.passed, status=status, reasons=again.policy.reasons)
    wants = policy.statistics is not None and policy.statistics.gate != "legacy"
    return said, "only limits can be judged: it keeps sums, not cells" if status is None and wants else ""
