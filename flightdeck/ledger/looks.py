"""Looks: verdicts that somebody acted on or waited for. Each look at a fixed test is another chance to be wrong."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select

from flightdeck.ledger.database import Database
from flightdeck.ledger.documents import name
from flightdeck.ledger.tables import LOOKS
from flightdeck.models.verdict import Status


class Pair(NamedTuple):
    """Two releases that are compared in an environment."""

    baseline_release_id: str
    candidate_release_id: str
    environment: str


class Looks:
    """The looks of the workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, pair: Pair, status: Status, *, sequential: bool, actor: str, now: datetime) -> None:
        """Records that somebody looked.

        Raises:
            Invalid: a name that can't be stored.
        """
        with self._database.write() as connection:
            put(connection, pair, status, sequential=sequential, actor=actor, now=now)

    def fixed(self, pair: Pair) -> int:
        """How often a fixed test of this pair was looked at: a sequential one may be, and NODATA is no look."""
        columns = LOOKS.c
        query = select(func.count()).where(
            columns.baseline_release_id == pair.baseline_release_id,
            columns.candidate_release_id == pair.candidate_release_id,
            columns.environment == pair.environment,
            columns.sequential.is_(False),
            columns.status != "NODATA",
        )
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()


def put(connection: Connection, pair: Pair, status: Status, *, sequential: bool, actor: str, now: datetime) -> None:
    """Records a look in a transaction of somebody else's."""
    row = {
        "baseline_release_id": name(pair.baseline_release_id, "baseline_release_id"),
        "candidate_release_id": name(pair.candidate_release_id, "candidate_release_id"),
        "environment": name(pair.environment, "environment", blank=True),
        "status": status,
        "sequential": sequential,
        "actor": name(actor, "actor"),
        "looked_at_us": now,
    }
    connection.execute(insert(LOOKS), row)
