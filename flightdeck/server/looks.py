"""``POST /v1/looks``: whoever waits for a verdict says that it looked, as each look at a fixed test counts."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from pydantic import BaseModel

from flightdeck.app import App
from flightdeck.ledger.looks import Pair
from flightdeck.models.verdict import Status
from flightdeck.server.actors import Actors
from flightdeck.server.auth import may_write


class Look(BaseModel):
    """A verdict that somebody looked at. Without an environment the workspace's default is meant."""

    baseline_release_id: str
    candidate_release_id: str
    environment: str | None = None
    status: Status
    sequential: bool
    actor: str = "http"


class Looked(BaseModel):
    """The answer: how often a fixed test of this pair was looked at by now."""

    fixed_looks: int


def router(app: App) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["diff"])
    actors = Actors(app.settings.server.trusted_proxies)

    @routes.post("/v1/looks")
    def look(look: Look, request: Request) -> Looked:
        """Records that a verdict was looked at; ``POST /v1/diff`` itself writes nothing."""
        may_write(app.access, request)
        ledger = app.ledger()
        pair = Pair(
            ledger.releases.get(look.baseline_release_id).release_id,
            ledger.releases.get(look.candidate_release_id).release_id,
            look.environment or app.settings.default_environment,
        )
        actor = actors.of(request, look.actor)
        ledger.looks.add(pair, look.status, sequential=look.sequential, actor=actor, now=datetime.now(UTC))
        return Looked(fixed_looks=ledger.looks.fixed(pair))

    return routes
