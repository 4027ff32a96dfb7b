"""Routes over policies: show, set, remove; which one is in force; what one would have said of past decisions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request
from pydantic import BaseModel, Field

from flightdeck.app import App
from flightdeck.environments import environment_named
from flightdeck.ledger.policies import UNSET, PolicySet
from flightdeck.models import DiffConfig
from flightdeck.models.fields import Moment
from flightdeck.models.policy import PolicyScope
from flightdeck.models.statistics import Statistics
from flightdeck.releases.retrial import Retrial, retried
from flightdeck.server import answers
from flightdeck.server.actors import Actors
from flightdeck.server.auth import may_write, readers
from flightdeck.validation import policy_of

MOST_HISTORY = 500
MOST_TRIED = 100

Agent = Annotated[str | None, Query(description="The policy of this agent; without it of any.")]
Env = Annotated[str | None, Query(description="The policy of this environment; without it of any.")]


class ScopedPolicy(BaseModel):
    """A policy, what it is for, and who set it when; ``set_at`` is null where nobody did and the default holds."""

    scope: PolicyScope
    policy: dict[str, Any]
    actor: str
    set_at: Moment | None
    removed: bool


class EffectivePolicy(ScopedPolicy):
    """The policy in force, complete: without ``statistics`` of its own those that the advice is given by."""

    minimums: DiffConfig
    """The policy's, where it has some, else the workspace's."""


class ScopedPolicies(BaseModel):
    """The answer of ``GET /v1/policies`` and its history."""

    policies: list[ScopedPolicy]


class PolicyTrial(BaseModel):
    """The body of ``POST /v1/policy/test``: a policy, and the decisions to try it on (the latest ones)."""

    policy: dict[str, Any]
    agent: str | None = None
    env: str | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_TRIED)] = 20


class Trials(BaseModel):
    """The answer of ``POST /v1/policy/test``: newest first."""

    decisions: list[Retrial]


def router(app: App) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["policy"])
    may_read = Depends(readers(app.access))
    actors = Actors(app.settings.server.trusted_proxies)
    _of_several(routes, app)

    @routes.get("/v1/policy", dependencies=[may_read], responses=answers.POLICY)
    def policy(agent: Agent = None, env: Env = None) -> dict[str, Any]:
        """The policy for all, the default one when none was set; or the one set for exactly this agent and environment.

        Which one decides there is at ``/v1/policy/effective``.
        """
        policies, scope = app.ledger().policies, PolicyScope(agent_id=agent, environment=env)
        found = policies.active() if scope == PolicyScope() else policies.of(scope).policy
        return found.model_dump(mode="json")

    @routes.put("/v1/policy")
    def set_policy(
        document: Annotated[dict[str, Any], Body()],
        request: Request,
        agent: Agent = None,
        env: Env = None,
        actor: str = "http",
    ) -> dict[str, Any]:
        """Makes a policy the one for all, or for an agent, an environment, or both. Unknown keys are refused."""
        may_write(app.access, request)
        wanted = policy_of(document)
        if env is not None:
            environment_named(env)
        scope = PolicyScope(agent_id=agent, environment=env)
        app.ledger().policies.set(wanted, now=datetime.now(UTC), scope=scope, actor=actors.of(request, actor))
        return wanted.model_dump(mode="json")

    @routes.delete("/v1/policy")
    def remove_policy(request: Request, agent: Agent = None, env: Env = None, actor: str = "http") -> ScopedPolicy:
        """Takes the policy of a scope out of force: a wider one decides there again, in the end the default one."""
        may_write(app.access, request)
        scope = PolicyScope(agent_id=agent, environment=env)
        return _shown(app.ledger().policies.remove(scope, now=datetime.now(UTC), actor=actors.of(request, actor)))

    return routes


def _of_several(routes: APIRouter, app: App) -> None:
    may_read = Depends(readers(app.access))

    @routes.get("/v1/policies", dependencies=[may_read])
    def policies() -> ScopedPolicies:
        """The policy of every scope that has one, the widest first."""
        return ScopedPolicies(policies=[_shown(one) for one in app.ledger().policies.in_force()])

    @routes.get("/v1/policies/history", dependencies=[may_read])
    def history(limit: Annotated[int, Query(ge=1, le=MOST_HISTORY)] = 50) -> ScopedPolicies:
        """What was set and removed, newest first."""
        return ScopedPolicies(policies=[_shown(one) for one in app.ledger().policies.history(limit=limit)])

    @routes.get("/v1/policy/effective", dependencies=[may_read])
    def effective(agent: Agent = None, env: Env = None) -> EffectivePolicy:
        """The policy that decides for an agent in an environment (the workspace's default one if none is given)."""
        environment = app.settings.default_environment if env is None else env
        found = app.ledger().policies.effective(agent, environment)
        own, minimums = found.policy, app.settings.diff
        chosen = {name: value for name in DiffConfig.model_fields if (value := getattr(own, name)) is not None}
        complete = own.model_copy(update={"statistics": own.statistics or Statistics(gate="legacy")})
        shown = _shown(found._replace(policy=complete))
        return EffectivePolicy(**dict(shown), minimums=minimums.model_copy(update=chosen))

    @routes.post("/v1/policy/test")
    def test(trial: PolicyTrial, request: Request) -> Trials:
        """What a policy would have said of past decisions, by the evidence that they keep. Nothing is changed."""
        app.access.read(request.headers.get("authorization"))
        policy, decisions = policy_of(trial.policy), app.ledger().decisions
        found = decisions.list(agent_id=trial.agent, environment=trial.env, limit=trial.limit)
        return Trials(
            decisions=[retried(one, decisions.get(one.action_id)["evidence"], policy) for one in found],
        )


def _shown(one: PolicySet) -> ScopedPolicy:
    return ScopedPolicy(
        scope=one.scope,
        policy=one.policy.model_dump(mode="json"),
        actor=one.actor,
        set_at=None if one.set_at == UNSET.set_at else one.set_at,
        removed=one.removed,
    )
