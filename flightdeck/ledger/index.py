"""Registered releases, read from the ledger into memory: what assembly asks once for every run."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from sqlalchemy import func, select

from flightdeck.ledger.database import Database
from flightdeck.ledger.tables import RELEASES
from flightdeck.otel.releases import KnownReleases

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ReleaseIndex(KnownReleases):
    """The ledger's releases. They are never changed or deleted, so a refresh reads only what is new."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database
        self._refreshing = threading.Lock()
        self._newest = 0

    def refresh(self) -> None:
        """Reads releases that were registered since.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        columns = RELEASES.c
        with self._refreshing, self._database.read() as connection:
            count, newest = connection.execute(select(func.count(), func.max(columns.seq))).one()
            if count == len(self):
                return
            # Of two registrations at the same time the later number may be committed first: when the new rows do not
            # account for all, one below was missing.
            missing = count - len(self)
            rows = select(columns.release_id, columns.agent_id, columns.version, columns.created_at_us)
            rows = rows.order_by(columns.seq)
            new = connection.execute(rows.where(columns.seq > self._newest)).all()
            if len(new) != missing:
                new = connection.execute(rows).all()
            for release_id, agent_id, version, created_at in new:
                registered_us = round((created_at - _EPOCH).total_seconds() * 1_000_000)
                self.add(release_id, agent_id=agent_id, version=version, registered_us=registered_us)
            self._newest = newest
