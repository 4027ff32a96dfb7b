"""Promotion requests: promotions that wait for somebody to confirm them."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Row, insert, select

from flightdeck.ledger.chain import canonical_bytes
from flightdeck.ledger.database import Database
from flightdeck.ledger.documents import name, text
from flightdeck.ledger.tables import REQUESTS
from flightdeck.models import PolicyResult, PromotionRequest

Requests_: TypeAlias = list[PromotionRequest]


class Requests:
    """The requests of the workspace. A decision resolves one, in its transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, request: PromotionRequest) -> None:
        """Stores a request.

        Raises:
            Invalid: a name or reason that can't be stored.
        """
        row = {
            "request_id": request.request_id,
            "status": request.status,
            "release_id": name(request.release_id, "release_id"),
            "agent_id": name(request.agent_id, "agent_id"),
            "environment": name(request.environment, "environment", blank=True),
            "window": name(request.window, "window", blank=True),
            "reason": text(request.reason, "reason"),
            "actor": name(request.actor, "actor"),
            "baseline_release_id": request.baseline_release_id,
            "policy_json": canonical_bytes(request.policy.model_dump(mode="json"), "policy's result").decode(),
            "created_at_us": request.created_at,
            "resolved_at_us": request.resolved_at,
            "completed_action_id": request.completed_action_id,
        }
        with self._database.write() as connection:
            connection.execute(insert(REQUESTS), row)

    def pending(self, request_id: str) -> PromotionRequest | None:
        """A request that waits; None when there is none of that id, or it does not wait any more."""
        query = select(REQUESTS).where(REQUESTS.c.request_id == request_id, REQUESTS.c.status == "pending")
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _request(row)

    def list(self, *, status: str | None = None, limit: int) -> Requests_:
        """Newest first."""
        query = select(REQUESTS).order_by(REQUESTS.c.created_at_us.desc(), REQUESTS.c.seq.desc()).limit(limit)
        if status is not None:
            query = query.where(REQUESTS.c.status == status)
        with self._database.read() as connection:
            return [_request(row) for row in connection.execute(query)]


def _request(row: Row[Any]) -> PromotionRequest:
    return PromotionRequest(
        request_id=row.request_id,
        status=row.status,
        release_id=row.release_id,
        agent_id=row.agent_id,
        environment=row.environment,
        window=row.window,
        reason=row.reason,
        actor=row.actor,
        baseline_release_id=row.baseline_release_id,
        policy=PolicyResult.model_validate_json(row.policy_json),
        created_at=row.created_at_us,
        resolved_at=row.resolved_at_us,
        completed_action_id=row.completed_action_id,
    )
