"""The ledger: what must be right to the last row, however many servers share it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from flightdeck.ledger.database import Database
from flightdeck.ledger.decisions import Decisions
from flightdeck.ledger.index import ReleaseIndex
from flightdeck.ledger.looks import Looks
from flightdeck.ledger.outbox import Outbox
from flightdeck.ledger.policies import Policies
from flightdeck.ledger.pricing import Pricing
from flightdeck.ledger.releases import Releases
from flightdeck.ledger.requests import Requests
from flightdeck.ledger.webhooks import Webhooks
from flightdeck.settings import LedgerSettings


class Ledger:
    """An open ledger. Safe to use from any number of threads; ``close`` may be called more than once.

    Attributes:
        releases: the registered releases.
        pricing: the imported pricing tables and the audit of their imports.
        policies: the policies that were set, by agent and environment.
        decisions: promotions and rollbacks, and which releases are live by them.
        requests: promotions that wait for a confirmation.
        looks: verdicts that somebody waited for.
        webhooks: who is told of decisions.
        outbox: what they are still to be told, and the log of telling them.
        backend: ``sqlite`` or ``postgresql``.
        target: the database, fit to be shown (no password).
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.releases = Releases(database)
        self.pricing = Pricing(database)
        self.policies = Policies(database)
        self.decisions = Decisions(database)
        self.requests = Requests(database)
        self.looks = Looks(database)
        self.webhooks = Webhooks(database)
        self.outbox = Outbox(database)
        self.backend = database.backend
        self.target = database.target
        self._index = ReleaseIndex(database)

    @classmethod
    def open(cls, settings: LedgerSettings, *, beside_former: bool = False) -> Ledger:
        """Opens the ledger and brings its schema to this version's.

        Args:
            settings: which database.
            beside_former: whether a database that flightdeck-ai 1.3 has filled is taken; see :meth:`Database.open`.

        Raises:
            Misconfigured: the address can't work, the ledger was written by a newer version, or by 1.3 and is not
                imported yet.
            LedgerUnavailable: the database does not answer.
        """
        return cls(Database.open(settings, beside_former=beside_former))

    def release_index(self) -> ReleaseIndex:
        """The releases by id, and by agent and version, as of now: one cheap query, more only after a registration.

        It is always the same object, brought up to date.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        self._index.refresh()
        return self._index

    def schema_version(self) -> str:
        """The number of the newest schema change, like ``0001``."""
        return self._database.schema_version()

    def backup(self) -> bytes:
        """A copy of the SQLite file, as of now.

        Raises:
            Invalid: the ledger is in PostgreSQL, which has tools of its own.
        """
        return self._database.backup()

    def close(self) -> None:
        """Closes the connections that are not in use."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
