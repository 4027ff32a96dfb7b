"""Routes over the policy: show, set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from pydantic import ValidationError

from flightdeck.app import App
from flightdeck.errors import Invalid
from flightdeck.models import Policy
from flightdeck.server import answers
from flightdeck.server.auth import may_write, readers
from flightdeck.settings import problems


def router(app: App) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["policy"])
    may_read = Depends(readers(app.access))

    @routes.get("/v1/policy", dependencies=[may_read], responses=answers.POLICY)
    def policy() -> dict[str, Any]:
        """The active policy; the default one when none was set."""
        return app.ledger().policies.active().model_dump(mode="json")

    @routes.put("/v1/policy")
    def set_policy(document: Annotated[dict[str, Any], Body()], request: Request) -> dict[str, Any]:
        """Makes a policy the active one. Unknown keys are refused."""
        may_write(app.access, request)
        try:
            wanted = Policy.model_validate(document)
        except ValidationError as error:
            raise Invalid("Invalid policy: " + "; ".join(problems(error, Policy))) from error
        app.ledger().policies.set(wanted, now=datetime.now(UTC))
        return wanted.model_dump(mode="json")

    return routes
