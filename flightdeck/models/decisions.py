"""Decisions: promotions and rollbacks, what asks for them and what came out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from flightdeck.models.fields import Moment
from flightdeck.models.policy import PolicyResult

Action = Literal["promote", "rollback"]
NonEmpty = Annotated[str, Field(min_length=1)]


class PromotionWish(BaseModel):
    """The body of ``POST /v1/promote``, ``/v1/promote/request`` and ``/v1/rollback``.

    ``window`` is how far back the runs go that decide, like ``7d``; ``actor`` is who, as the caller says.
    """

    release_id: str
    environment: str
    window: str
    reason: NonEmpty
    actor: str = "http"


class Confirmation(BaseModel):
    """The body of ``POST /v1/promote/confirm``."""

    request_id: str
    approval_reason: NonEmpty
    actor: str = "http"


class Outcome(BaseModel):
    """What a promotion or rollback came to; ``baseline_release_id`` is the release that was live before."""

    action_id: str
    action: Action
    release_id: str
    agent_id: str
    environment: str
    baseline_release_id: str | None
    promoted_pointer_changed: bool
    policy: PolicyResult


class Decision(BaseModel):
    """A recorded promotion or rollback, blocked ones too.

    Attributes:
        audit_seq: its place in the one sequence of the workspace, from 1 on, without gaps.
        promoted_pointer_changed: whether the release went live by it.
        evidence_sha256: SHA-256 of the canonical JSON of what it was judged on.
        previous_hash: the ``hash`` of the decision before; of the first one 64 zeros.
        hash: SHA-256 over all of the above (see ``flightdeck.ledger.chain``).
    """

    audit_seq: int
    action_id: str
    action: Action
    release_id: str
    agent_id: str
    environment: str
    baseline_release_id: str | None
    window: str
    reason: str
    actor: str
    policy: PolicyResult
    promoted_pointer_changed: bool
    request_id: str | None
    evidence_sha256: str
    created_at: Moment
    previous_hash: str
    hash: str

    def outcome(self) -> Outcome:
        """As the one who asked for it is answered."""
        return Outcome.model_validate(self.model_dump(include=set(Outcome.model_fields)))


class PromotionRequest(BaseModel):
    """A promotion that waits for somebody to confirm it, or was confirmed (``completed``)."""

    request_id: str
    status: str
    release_id: str
    agent_id: str
    environment: str
    window: str
    reason: str
    actor: str
    baseline_release_id: str | None
    policy: PolicyResult
    created_at: Moment
    resolved_at: Moment | None = None
    completed_action_id: str | None = None
