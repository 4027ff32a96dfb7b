"""Webhooks: who wants to be told of decisions."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from sqlalchemy import Row, delete, func, insert, select, update

from flightdeck.errors import Conflict, NotFound
from flightdeck.ledger.database import Database
from flightdeck.ledger.documents import name, text
from flightdeck.ledger.tables import DELIVERIES, WEBHOOKS
from flightdeck.models import Webhook

MAX_WEBHOOKS = 200
"""Each decision makes one message per webhook."""

Webhooks_: TypeAlias = list[Webhook]


class Webhooks:
    """The subscriptions of the workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, webhook: Webhook) -> None:
        """Stores a subscription.

        Raises:
            Conflict: there are 200 already.
            Invalid: a URL or description that can't be stored.
        """
        row = {
            "webhook_id": webhook.webhook_id,
            "url": text(webhook.url, "url"),
            "events_json": json.dumps(webhook.events),
            "enabled": webhook.enabled,
            "description": None if webhook.description is None else text(webhook.description, "description"),
            "secret": name(webhook.secret, "secret"),
            "created_at_us": webhook.created_at,
        }
        with self._database.write() as connection:
            if connection.execute(select(func.count()).select_from(WEBHOOKS)).scalar_one() >= MAX_WEBHOOKS:
                raise Conflict(f"There are {MAX_WEBHOOKS} webhooks already; remove one first.")
            connection.execute(insert(WEBHOOKS), row)

    def get(self, webhook_id: str) -> Webhook:
        """A subscription.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.read() as connection:
            row = connection.execute(select(WEBHOOKS).where(WEBHOOKS.c.webhook_id == webhook_id)).one_or_none()
        if row is None:
            raise NotFound(f"Unknown webhook: {webhook_id}")
        return _webhook(row)

    def list(self) -> Webhooks_:
        """Newest first."""
        query = select(WEBHOOKS).order_by(WEBHOOKS.c.created_at_us.desc(), WEBHOOKS.c.seq.desc())
        with self._database.read() as connection:
            return [_webhook(row) for row in connection.execute(query)]

    def remove(self, webhook_id: str) -> None:
        """Deletes a subscription and cancels what it was still to be sent.

        Raises:
            NotFound: there is none of that id.
        """
        waiting = (DELIVERIES.c.webhook_id == webhook_id) & (DELIVERIES.c.state == "pending")
        with self._database.write() as connection:
            if connection.execute(delete(WEBHOOKS).where(WEBHOOKS.c.webhook_id == webhook_id)).rowcount == 0:
                raise NotFound(f"Unknown webhook: {webhook_id}")
            connection.execute(update(DELIVERIES).where(waiting).values(state="cancelled", due_at_us=None))


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        webhook_id=row.webhook_id,
        url=row.url,
        events=json.loads(row.events_json),
        enabled=row.enabled,
        description=row.description,
        secret=row.secret,
        created_at=row.created_at_us,
    )
