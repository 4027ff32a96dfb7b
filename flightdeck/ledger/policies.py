"""Policies: every one that was set is kept, the last one is active."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select

from flightdeck.ledger.database import Database
from flightdeck.ledger.documents import canonical, name
from flightdeck.ledger.tables import POLICIES
from flightdeck.models import Policy


class Policies:
    """The policies of the workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, policy: Policy, *, now: datetime) -> None:
        """Makes a policy the active one.

        Raises:
            Invalid: an id that can't be stored, or an infinite limit.
        """
        row = {
            "policy_id": name(policy.policy_id, "policy_id"),
            "policy_json": canonical(policy.model_dump(), "policy"),
            "set_at_us": now,
        }
        with self._database.write() as connection:
            connection.execute(insert(POLICIES), row)

    def active(self) -> Policy:
        """The policy that was set last; before any, the default one: no limits, but HIGH confidence is required."""
        last = select(POLICIES.c.policy_json).order_by(POLICIES.c.seq.desc()).limit(1)
        with self._database.read() as connection:
            stored = connection.execute(last).scalar_one_or_none()
        return Policy() if stored is None else Policy.model_validate_json(stored)

    def configured(self) -> bool:
        """Whether any policy was ever set."""
        with self._database.read() as connection:
            return connection.execute(select(POLICIES.c.seq).limit(1)).first() is not None

    def history(self) -> list[tuple[str, datetime]]:
        """Id and time of every policy that was set, in that order."""
        query = select(POLICIES.c.policy_id, POLICIES.c.set_at_us).order_by(POLICIES.c.seq)
        with self._database.read() as connection:
            return [(policy_id, set_at) for policy_id, set_at in connection.execute(query)]
