"""Releases by id, and by agent and version, in memory: what assembly asks once for every run."""

from __future__ import annotations

import threading
from bisect import insort
from datetime import UTC, datetime
from operator import itemgetter

from sqlalchemy import func, select

from flightdeck.ledger.database import Database
from flightdeck.ledger.tables import RELEASES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ReleaseIndex:
    """What :class:`flightdeck.otel.runs.Releases` asks for, over the ledger's releases.

    Releases are never changed or deleted, so a lookup needs no lock, and a refresh reads only what is new.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._refreshing = threading.Lock()
        self._agents: dict[str, str] = {}
        self._versions: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
        self._newest = 0

    def refresh(self) -> None:
        """Reads releases that were registered since.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        columns = RELEASES.c
        with self._refreshing, self._database.read() as connection:
            count, newest = connection.execute(select(func.count(), func.max(columns.seq))).one()
            if count == len(self._agents):
                return
            # Of two registrations at the same time the later number may be committed first: when the new rows do not
            # account for all, one below was missing.
            missing = count - len(self._agents)
            rows = select(columns.seq, columns.release_id, columns.agent_id, columns.version, columns.created_at_us)
            new = connection.execute(rows.where(columns.seq > self._newest)).all()
            if len(new) != missing:
                new = connection.execute(rows).all()
            for seq, release_id, agent_id, version, created_at in new:
                if release_id not in self._agents:
                    self._add(seq, release_id, agent_id, version, created_at)
            self._newest = newest

    def _add(self, seq: int, release_id: str, agent_id: str, version: str, created_at: datetime) -> None:
        registered_us = round((created_at - _EPOCH).total_seconds() * 1_000_000)
        # A copy that replaces the list: a lookup in another thread sees the old one or the new one, never half.
        same = list(self._versions.get((agent_id, version), ()))
        insort(same, (registered_us, seq, release_id))
        self._versions[agent_id, version] = same
        self._agents[release_id] = agent_id

    def __len__(self) -> int:
        return len(self._agents)

    def agent_of(self, release_id: str) -> str | None:
        """The agent of a registered release, or None."""
        return self._agents.get(release_id)

    def find(self, agent_id: str, version: str, started_us: int) -> str | None:
        """The release of an agent's version that a run belongs to (MAPPING, section 2).

        Of several it is the last one registered when the run started (``started_us``, µs since the epoch), else the
        first one after.
        """
        same = self._versions.get((agent_id, version))
        if not same:
            return None
        before = [entry for entry in same if entry[0] <= started_us]
        return max(before, key=itemgetter(0, 1))[2] if before else same[0][2]
