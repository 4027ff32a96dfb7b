"""Policies: for one agent in one environment, for an agent, for an environment, or for all; the narrowest is in force.

Every one that was set is kept, with who set it and when. Of each scope the last one counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, Row, Select, func, insert, or_, select

from flightdeck.errors import NotFound
from flightdeck.ledger.database import Database
from flightdeck.ledger.documents import canonical, name
from flightdeck.ledger.tables import POLICIES
from flightdeck.models import Policy
from flightdeck.models.policy import EVERYTHING, PolicyScope


class PolicySet(NamedTuple):
    """A policy that was set for a scope, or taken out of force there (``removed``)."""

    scope: PolicyScope
    policy: Policy
    actor: str
    set_at: datetime
    removed: bool = False


PolicySets: TypeAlias = list[PolicySet]


class Policies:
    """The policies of the workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(
        self, policy: Policy, *, now: datetime, scope: PolicyScope = EVERYTHING, actor: str = "unknown"
    ) -> PolicySet:
        """Makes a policy the one of a scope.

        Raises:
            Invalid: an id or name that can't be stored, or an infinite limit.
        """
        return self._add(PolicySet(scope, policy, actor, now))

    def remove(self, scope: PolicyScope, *, now: datetime, actor: str = "unknown") -> PolicySet:
        """Takes the policy of a scope out of force: a wider one counts there again. It stays in the history.

        Raises:
            NotFound: that scope has no policy.
        """
        return self._add(self.of(scope)._replace(actor=actor, set_at=now, removed=True))

    def active(self) -> Policy:
        """The policy for all; before any was set the default one: no limits, but HIGH confidence is required."""
        return self.effective(None, None).policy

    def effective(self, agent_id: str | None, environment: str | None) -> PolicySet:
        """The policy that decides: the agent's there, else the agent's, else the environment's, else the one for all.

        Where none is in force it is the default one, set by nobody at the beginning of time.
        """
        columns = POLICIES.c
        wanted = or_(columns.agent_id.is_(None), columns.agent_id == agent_id) & or_(
            columns.environment.is_(None), columns.environment == environment
        )
        return max(self._in_force(wanted), key=lambda one: one.scope.precedence, default=UNSET)

    def of(self, scope: PolicyScope) -> PolicySet:
        """The policy of exactly this scope.

        Raises:
            NotFound: it has none of its own.
        """
        for found in self._in_force(_is(scope)):
            return found
        raise NotFound(f"No policy is set for {scope}.", hint="Ask for the one in force there: --effective.")

    def in_force(self) -> PolicySets:
        """The policy of every scope that has one, by scope, the widest first."""
        return sorted(self._in_force(), key=lambda one: (one.scope.precedence, str(one.scope)))

    def configured(self) -> bool:
        """Whether any policy was ever set."""
        with self._database.read() as connection:
            return connection.execute(select(POLICIES.c.seq).limit(1)).first() is not None

    def history(self, *, limit: int | None = None) -> PolicySets:
        """Everything that was set and removed, newest first."""
        with self._database.read() as connection:
            return _read(connection.execute(select(POLICIES).order_by(POLICIES.c.seq.desc()).limit(limit)))

    def _add(self, one: PolicySet) -> PolicySet:
        scope = one.scope
        row = {
            "policy_id": name(one.policy.policy_id, "policy_id"),
            "policy_json": canonical(one.policy.model_dump(), "policy"),
            "set_at_us": one.set_at,
            "agent_id": None if scope.agent_id is None else name(scope.agent_id, "agent_id"),
            "environment": None if scope.environment is None else name(scope.environment, "environment", blank=True),
            "actor": name(one.actor, "actor"),
            "removed": one.removed,
        }
        with self._database.write() as connection:
            connection.execute(insert(POLICIES), row)
        return one

    def _in_force(self, *wanted: ColumnElement[bool]) -> PolicySets:
        last = select(func.max(POLICIES.c.seq)).where(*wanted).group_by(POLICIES.c.agent_id, POLICIES.c.environment)
        query: Select[Any] = select(POLICIES).where(POLICIES.c.seq.in_(last), POLICIES.c.removed.is_(False))
        with self._database.read() as connection:
            return _read(connection.execute(query))


UNSET = PolicySet(EVERYTHING, Policy(), "", datetime.fromisoformat("1970-01-01T00:00:00+00:00"))
"""What is in force before any policy was set."""


def _is(scope: PolicyScope) -> ColumnElement[bool]:
    return POLICIES.c.agent_id.is_not_distinct_from(scope.agent_id) & POLICIES.c.environment.is_not_distinct_from(
        scope.environment
    )


def _read(rows: Iterable[Row[Any]]) -> PolicySets:
    return [
        PolicySet(
            PolicyScope(agent_id=row.agent_id, environment=row.environment),
            Policy.model_validate_json(row.policy_json),
            row.actor,
            row.set_at_us,
            row.removed,
        )
        for row in rows
    ]
