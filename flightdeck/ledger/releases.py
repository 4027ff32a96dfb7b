"""Registered releases: insert only."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Row, Select, func, select

from flightdeck.errors import Conflict, NotFound
from flightdeck.ledger.database import Database
from flightdeck.ledger.documents import canonical, name
from flightdeck.ledger.tables import RELEASES
from flightdeck.models import ReleaseRecord

MAX_LISTED = 100_000
"""Bound on a listing; nobody reads more."""


class ReleaseLine(NamedTuple):
    """A release as listings show it: without its artifact."""

    release_id: str
    agent_id: str
    version: str
    environment: str
    checksum: str
    created_at: datetime


Lines: TypeAlias = list[ReleaseLine]


class Releases:
    """The table of releases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: ReleaseRecord) -> None:
        """Registers a release for good.

        Raises:
            Conflict: the id is taken.
            Invalid: an agent, version or environment that can't be stored.
            TooLarge: an artifact over 4 MiB.
        """
        row = {
            "release_id": name(record.release_id, "release_id"),
            "agent_id": name(record.agent_id, "spec.agent.agent_id"),
            "version": name(record.version, "metadata.version"),
            "environment": name(record.environment, "environment", blank=True),
            "checksum": record.checksum,
            "digest_v2": record.digest_v2,
            "artifact_json": canonical(record.artifact_json, "release artifact"),
            "created_at_us": record.created_at,
        }
        try:
            with self._database.write() as connection:
                connection.execute(RELEASES.insert(), row)
        except Conflict as error:
            raise Conflict(f"Release {record.release_id} is registered already.") from error

    def get(self, release_id: str) -> ReleaseRecord:
        """A release with its artifact.

        Raises:
            NotFound: nobody registered it.
        """
        with self._database.read() as connection:
            row = connection.execute(select(RELEASES).where(RELEASES.c.release_id == release_id)).one_or_none()
        if row is None:
            raise NotFound(f"Unknown release: {release_id}")
        return _record(row)

    def list(self, *, limit: int = MAX_LISTED) -> Lines:
        """Newest first."""
        return self._lines(_lines().order_by(RELEASES.c.created_at_us.desc(), RELEASES.c.seq.desc()).limit(limit))

    def count(self) -> int:
        """How many are registered."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(RELEASES)).scalar_one()

    def find(self, agent_id: str, version: str) -> Lines:
        """All releases of an agent's version, oldest first: one bundle may be registered several times."""
        same = _lines().where(RELEASES.c.agent_id == agent_id, RELEASES.c.version == version)
        return self._lines(same.order_by(RELEASES.c.created_at_us, RELEASES.c.seq).limit(MAX_LISTED))

    def _lines(self, query: Select[Any]) -> Lines:
        with self._database.read() as connection:
            return [ReleaseLine(*row) for row in connection.execute(query)]


def _lines() -> Select[Any]:
    columns = RELEASES.c
    return select(
        columns.release_id,
        columns.agent_id,
        columns.version,
        columns.environment,
        columns.checksum,
        columns.created_at_us,
    )


def _record(row: Row[Any]) -> ReleaseRecord:
    return ReleaseRecord(
        release_id=row.release_id,
        agent_id=row.agent_id,
        version=row.version,
        environment=row.environment,
        checksum=row.checksum,
        digest_v2=row.digest_v2,
        artifact_json=json.loads(row.artifact_json),
        created_at=row.created_at_us,
    )
