"""Routes over decisions: promote, request, confirm, roll back; what is live, what was decided, what waits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from flightdeck.app import App, Once
from flightdeck.errors import Blocked
from flightdeck.models import Confirmation, Decision, Outcome, PolicyResult, PromotionWish
from flightdeck.releases.promote import Promotions, Rules
from flightdeck.server.actors import Actors
from flightdeck.server.auth import may_write, readers
from flightdeck.server.diff import evidence, options

logger = logging.getLogger(__name__)

Limit = Annotated[int, Query(ge=1, le=500)]
Filter = Annotated[str | None, Query()]


class Promoted(BaseModel):
    """A live release."""

    agent_id: str
    environment: str
    release_id: str


class Live(BaseModel):
    """The answer of ``GET /v1/promoted``: by agent and environment."""

    promoted: list[Promoted]


class Action(BaseModel):
    """A recorded decision, as lists show it."""

    action_id: str
    action: str
    release_id: str
    agent_id: str
    environment: str
    baseline_release_id: str | None
    reason: str
    policy_passed: bool
    policy_reasons: list[str]
    created_at: str
    audit_seq: int
    actor: str
    window: str
    promoted_pointer_changed: bool
    hash: str


class Actions(BaseModel):
    """The answer of ``GET /v1/actions``: newest first."""

    actions: list[Action]


class Asked(BaseModel):
    """A promotion request, as lists show it."""

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
    created_at: str
    resolved_at: str | None
    completed_action_id: str | None


class Requests(BaseModel):
    """The answer of ``GET /v1/promotion-requests``: newest first."""

    requests: list[Asked]


class Requested(BaseModel):
    """The answer of ``POST /v1/promote/request``."""

    request_id: str
    status: str
    release_id: str
    agent_id: str
    environment: str
    window: str
    baseline_release_id: str | None
    policy: PolicyResult
    created_at: str


class Proof(BaseModel):
    """A decision with all that it takes to check it: see ``flightdeck.ledger.chain``."""

    decision: dict[str, Any]
    evidence: dict[str, Any]
    previous: str
    hash: str


class BlockedDetail(BaseModel):
    """Why not, and the recorded decision."""

    message: str
    outcome: Outcome | None = None
    reasons: list[str] | None = None


class BlockedAnswer(BaseModel):
    """The answer when the policy says no."""

    detail: BlockedDetail


BLOCKED: dict[int | str, dict[str, Any]] = {409: {"model": BlockedAnswer, "description": "The policy says no"}}


def router(app: App) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["promotion"])
    _reads(routes, app)
    actors = Actors(app.settings.server.trusted_proxies)
    promotions = Once(lambda: Promotions(app.ledger(), lambda: evidence(app), rules(app)))

    def decided(act: Callable[[], Outcome]) -> Outcome:
        """Acts, and has webhooks told of what was decided, a blocked decision too."""
        try:
            outcome = act()
        except Blocked:
            _notify(app)
            raise
        _notify(app)
        return outcome

    @routes.post("/v1/promote", responses=BLOCKED)
    def promote(wish: PromotionWish, request: Request) -> Outcome:
        """Makes a release live in an environment if the policy allows it; recorded either way."""
        may_write(app.access, request)
        named = wish.model_copy(update={"actor": actors.of(request, wish.actor)})
        return decided(lambda: promotions().promote(named))

    @routes.post("/v1/rollback", responses=BLOCKED)
    def rollback(wish: PromotionWish, request: Request) -> Outcome:
        """Makes a release live again. What was live before is never blocked; the evidence is recorded."""
        may_write(app.access, request)
        named = wish.model_copy(update={"actor": actors.of(request, wish.actor)})
        return decided(lambda: promotions().rollback(named))

    @routes.post("/v1/promote/request", response_model=Requested, responses=BLOCKED)
    def promote_request(wish: PromotionWish, request: Request) -> Any:  # noqa: ANN401 - FastAPI checks
        """Asks for a promotion that somebody confirms later; only where the workspace requires approval."""
        may_write(app.access, request)
        named = wish.model_copy(update={"actor": actors.of(request, wish.actor)})
        asked = promotions().request(named)
        return {**asked.model_dump(mode="json"), "created_at": asked.created_at.isoformat()}

    @routes.post("/v1/promote/confirm", responses=BLOCKED)
    def promote_confirm(confirmation: Confirmation, request: Request) -> Outcome:
        """Promotes what a pending request asks for, if the policy still allows it."""
        may_write(app.access, request)
        named = confirmation.model_copy(update={"actor": actors.of(request, confirmation.actor)})
        return decided(lambda: promotions().confirm(named))

    return routes


def _notify(app: App) -> None:
    """Has what was put into the outbox sent now. The decision stands whether or not this works: it is sent later."""
    try:
        app.webhooks().notify()
    except Exception:
        logger.exception("Webhooks can't be sent now; they are when they can be started")


def _reads(routes: APIRouter, app: App) -> None:
    may_read = Depends(readers(app.access))

    @routes.get("/v1/promoted", dependencies=[may_read], response_model=Live)
    def promoted() -> Any:  # noqa: ANN401 - FastAPI checks
        """Which release is live for each agent and environment."""
        keys = ("agent_id", "environment", "release_id")
        pointers = app.ledger().decisions.pointers()
        return {"promoted": [{key: getattr(pointer, key) for key in keys} for pointer in pointers]}

    @routes.get("/v1/actions", dependencies=[may_read], response_model=Actions)
    def actions(
        agent: Filter = None,
        env: Filter = None,
        limit: Limit = 50,
        before: Annotated[int | None, Query(description="Only those with a smaller audit_seq: the next page.")] = None,
    ) -> Any:  # noqa: ANN401 - FastAPI checks
        """The latest promotions and rollbacks, blocked ones too, newest first."""
        found = app.ledger().decisions.list(agent_id=agent or None, environment=env or None, before=before, limit=limit)
        return {"actions": [shown(decision) for decision in found]}

    @routes.get("/v1/actions/{action_id}", dependencies=[may_read], response_model=Proof)
    def action(action_id: str) -> Any:  # noqa: ANN401 - FastAPI checks
        """A decision with the evidence it was judged on, and its place in the hash chain."""
        return app.ledger().decisions.get(action_id)

    @routes.get("/v1/promotion-requests", dependencies=[may_read], response_model=Requests)
    def promotion_requests(status: Filter = None, limit: Limit = 50) -> Any:  # noqa: ANN401 - FastAPI checks
        """The latest promotion requests, newest first."""
        found = app.ledger().requests.list(status=status or None, limit=limit)
        return {
            "requests": [
                {
                    **request.model_dump(mode="json"),
                    "created_at": request.created_at.isoformat(),
                    "resolved_at": request.resolved_at.isoformat() if request.resolved_at is not None else None,
                }
                for request in found
            ]
        }


def shown(decision: Decision) -> dict[str, Any]:
    """A decision as lists show it."""
    return {
        **decision.model_dump(mode="json"),
        "policy_passed": decision.policy.passed,
        "policy_reasons": decision.policy.reasons,
        "created_at": decision.created_at.isoformat(),
    }


def rules(app: App) -> Rules:
    """What the settings say about promotions."""
    settings = app.settings
    return Rules(
        diff=options(app),
        requires_approval=settings.promotion_requires_approval,
        four_eyes=settings.promotion_four_eyes,
        rollback_requires_policy=settings.rollback_requires_policy,
    )
