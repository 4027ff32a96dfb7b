"""The outbox: messages to webhooks, written in the transaction of what they tell of, and the log of sending them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from flightdeck.errors import Conflict, NotFound
from flightdeck.ledger.database import Database
from flightdeck.ledger.documents import canonical
from flightdeck.ledger.tables import ATTEMPTS, DELIVERIES, WEBHOOKS
from flightdeck.models import Attempt, Delivery, Message

KEPT = timedelta(days=30)
"""How long the log keeps a finished delivery."""

MAX_ERROR = 500

Deliveries: TypeAlias = list[Delivery]
Attempts: TypeAlias = list[Attempt]


def put(connection: Connection, event: str, data: Mapping[str, Any], *, now: datetime) -> None:
    """One message to every enabled webhook that wants this event; part of the caller's transaction."""
    data_json = canonical(dict(data), "message")
    rows = connection.execute(
        select(WEBHOOKS.c.webhook_id, WEBHOOKS.c.events_json).where(WEBHOOKS.c.enabled.is_(True)).order_by("seq")
    )
    messages = [
        {
            "delivery_id": uuid.uuid4().hex,
            "webhook_id": row.webhook_id,
            "event": event,
            "data_json": data_json,
            "state": "pending",
            "attempts": 0,
            "tries": 0,
            "due_at_us": now,
            "created_at_us": now,
        }
        for row in rows
        if event in json.loads(row.events_json)
    ]
    if messages:
        connection.execute(insert(DELIVERIES), messages)


class Outbox:
    """Messages that wait to be sent, and what became of all of the last 30 days."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, *, now: datetime, lease: timedelta, limit: int) -> list[tuple[Message, int]]:
        """Messages that are due, with how often each was tried; nobody else gets them for as long as the lease."""
        due = (DELIVERIES.c.state == "pending") & (DELIVERIES.c.due_at_us <= now)
        with self._database.write() as connection:
            query = (
                select(DELIVERIES, WEBHOOKS.c.url, WEBHOOKS.c.secret)
                .join(WEBHOOKS, WEBHOOKS.c.webhook_id == DELIVERIES.c.webhook_id)
                .where(due)
                .order_by(DELIVERIES.c.due_at_us, DELIVERIES.c.seq)
                .limit(limit)
                .with_for_update(skip_locked=True, of=DELIVERIES)
            )
            rows = connection.execute(query).all()
            claimed = [row.delivery_id for row in rows]
            if claimed:
                taken = update(DELIVERIES).where(DELIVERIES.c.delivery_id.in_(claimed))
                connection.execute(taken.values(due_at_us=now + lease))
        return [(_message(row), row.tries) for row in rows]

    def next_due(self) -> datetime | None:
        """When the next message is due; None when none waits."""
        waiting = select(func.min(DELIVERIES.c.due_at_us)).where(DELIVERIES.c.state == "pending")
        # A webhook may be removed while a decision puts a message to it in: nobody sends that one.
        query = waiting.where(DELIVERIES.c.webhook_id.in_(select(WEBHOOKS.c.webhook_id)))
        with self._database.read() as connection:
            moment: datetime | None = connection.execute(query).scalar_one_or_none()
        return moment

    def report(
        self,
        delivery_id: str,
        *,
        at: datetime,
        duration_ms: int,
        status: int | None,
        error: str | None,
        retry_at: datetime | None,
    ) -> None:
        """Logs an attempt.

        Args:
            delivery_id: the message's.
            at: when it was made.
            duration_ms: how long it took.
            status: what the receiver answered, if it did.
            error: why it failed; None says that the message has arrived.
            retry_at: when to try again; None gives up.
        """
        own = DELIVERIES.c.delivery_id == delivery_id
        if error is None:
            state: dict[str, Any] = {"state": "delivered", "due_at_us": None, "finished_at_us": at}
        elif retry_at is None:
            state = {"state": "failed", "due_at_us": None, "finished_at_us": at}
        else:
            state = {"due_at_us": retry_at}
        with self._database.write() as connection:
            counted = {"attempts": DELIVERIES.c.attempts + 1, "tries": DELIVERIES.c.tries + 1}
            number = connection.scalar(update(DELIVERIES).where(own).values(counted).returning(DELIVERIES.c.attempts))
            if number is None:
                return
            # A message that was cancelled while it was sent stays cancelled.
            connection.execute(update(DELIVERIES).where(own, DELIVERIES.c.state == "pending").values(state))
            attempt = {
                "delivery_id": delivery_id,
                "number": number,
                "at_us": at,
                "duration_ms": duration_ms,
                "status": status,
                "error": None if error is None else error.replace("\0", "")[:MAX_ERROR],
            }
            connection.execute(insert(ATTEMPTS), attempt)

    def list(self, *, webhook_id: str | None = None, limit: int) -> Deliveries:
        """Newest first."""
        query = select(DELIVERIES).order_by(DELIVERIES.c.seq.desc()).limit(limit)
        if webhook_id is not None:
            query = query.where(DELIVERIES.c.webhook_id == webhook_id)
        with self._database.read() as connection:
            return [_delivery(row) for row in connection.execute(query)]

    def get(self, delivery_id: str) -> tuple[Delivery, Attempts]:
        """A message and every attempt to send it.

        Raises:
            NotFound: there is none of that id (any more).
        """
        tried = select(ATTEMPTS).where(ATTEMPTS.c.delivery_id == delivery_id).order_by(ATTEMPTS.c.number)
        with self._database.read() as connection:
            row = connection.execute(select(DELIVERIES).where(DELIVERIES.c.delivery_id == delivery_id)).one_or_none()
            attempts = connection.execute(tried).all()
        if row is None:
            raise NotFound(f"Unknown delivery: {delivery_id}")
        return _delivery(row), [
            Attempt(
                number=each.number, at=each.at_us, duration_ms=each.duration_ms, status=each.status, error=each.error
            )
            for each in attempts
        ]

    def again(self, delivery_id: str, *, now: datetime) -> None:
        """Puts a message back, to be sent at once, with its id: receivers can tell that they know it.

        Raises:
            NotFound: there is none of that id, or its webhook was removed.
            Conflict: it still waits to be sent.
        """
        own = DELIVERIES.c.delivery_id == delivery_id
        with self._database.write() as connection:
            query = select(DELIVERIES.c.state).join(WEBHOOKS, WEBHOOKS.c.webhook_id == DELIVERIES.c.webhook_id)
            state = connection.scalar(query.where(own).with_for_update(of=DELIVERIES))
            if state is None:
                raise NotFound(f"Unknown delivery: {delivery_id}")
            if state == "pending":
                raise Conflict("The message waits to be sent already.")
            fresh = {"state": "pending", "tries": 0, "due_at_us": now, "finished_at_us": None}
            connection.execute(update(DELIVERIES).where(own).values(fresh))

    def prune(self, *, now: datetime) -> None:
        """Forgets deliveries of more than 30 days ago that nobody will send any more."""
        orphaned = DELIVERIES.c.webhook_id.not_in(select(WEBHOOKS.c.webhook_id))
        old = (DELIVERIES.c.created_at_us < now - KEPT) & ((DELIVERIES.c.state != "pending") | orphaned)
        with self._database.write() as connection:
            gone = select(DELIVERIES.c.delivery_id).where(old)
            connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.delivery_id.in_(gone)))
            connection.execute(delete(DELIVERIES).where(old))


def _message(row: Row[Any]) -> Message:
    return Message(
        delivery_id=row.delivery_id,
        webhook_id=row.webhook_id,
        url=row.url,
        secret=row.secret,
        event=row.event,
        data=json.loads(row.data_json),
        created_at=row.created_at_us,
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        delivery_id=row.delivery_id,
        webhook_id=row.webhook_id,
        event=row.event,
        state=row.state,
        attempts=row.attempts,
        created_at=row.created_at_us,
        due_at=row.due_at_us,
        finished_at=row.finished_at_us,
    )
