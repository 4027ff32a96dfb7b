"""Routes over webhooks: add, list, remove, try out; what was sent to them, and sending it again.

All are under the write rule, reading too: who may see where decisions go may also change it.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, field_validator

from flightdeck.app import App
from flightdeck.errors import Invalid
from flightdeck.models import WEBHOOK_EVENTS, Attempt, Delivery, Message, Webhook
from flightdeck.server.auth import may_write
from flightdeck.webhooks import addresses, message, sending

PING_NOTE = "synthetic ping from `flightdeck webhook test`"
SHOWN = 200
"""Characters of an answer to a ping that are shown."""


class Subscription(BaseModel):
    """A webhook to add."""

    url: Annotated[str, Field(min_length=1)]
    events: Annotated[list[str], Field(min_length=1, max_length=20)]
    description: str | None = None

    @field_validator("url")
    @classmethod
    def _allowed(cls, url: str) -> str:
        try:
            addresses.check_url(url)
        except Invalid as error:
            raise ValueError(error.message) from error
        return url

    @field_validator("events")
    @classmethod
    def _known(cls, events: list[str]) -> list[str]:
        unknown = [event for event in events if event not in WEBHOOK_EVENTS]
        if unknown:
            raise ValueError(f"Unsupported event(s): {unknown}. Allowed: {list(WEBHOOK_EVENTS)}")
        return events


class Shown(BaseModel):
    """A webhook; its secret only in the answer that adds it.

    ``standard_secret`` is the same secret as libraries for Standard Webhooks take it.
    """

    api_version: Literal["v1"] = "v1"
    kind: Literal["Webhook"] = "Webhook"
    webhook_id: str
    url: str
    events: list[str]
    enabled: bool
    created_at: str
    description: str | None
    secret: str | None = None
    secret_preview: str | None = None
    standard_secret: str | None = None


class Listed(BaseModel):
    """All webhooks, newest first."""

    api_version: Literal["v1"] = "v1"
    kind: Literal["WebhookList"] = "WebhookList"
    webhooks: list[Shown]
    total: int


class Removed(BaseModel):
    """The answer of ``DELETE /v1/webhooks/{webhook_id}``."""

    webhook_id: str
    deleted: bool


class Pinged(BaseModel):
    """What a receiver said to a ping; ``status`` is null when it said nothing."""

    webhook_id: str
    url: str
    delivery_id: str
    status: int | None
    error: str | None
    duration_ms: int
    body: str


class Deliveries(BaseModel):
    """What was sent and what waits, newest first."""

    deliveries: list[Delivery]


class Logged(Delivery):
    """A message, and every attempt to send it."""

    log: list[Attempt]


def router(app: App) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["webhooks"])

    @routes.post("/v1/webhooks")
    def add(wanted: Subscription, request: Request) -> Shown:
        """Adds a webhook. The answer shows its secret, for the only time."""
        may_write(app.access, request)
        addresses.check_url(wanted.url, private=app.settings.webhooks.private_addresses)
        webhook = Webhook(
            webhook_id=f"wh_{uuid.uuid4().hex}",
            url=wanted.url,
            events=wanted.events,
            enabled=True,
            description=wanted.description,
            secret=secrets.token_urlsafe(32),
            created_at=datetime.now(UTC),
        )
        app.ledger().webhooks.add(webhook)
        told = {"secret": webhook.secret, "standard_secret": message.standard_secret(webhook.secret)}
        return _shown(webhook).model_copy(update={**told, "secret_preview": None})

    @routes.get("/v1/webhooks")
    def webhooks(request: Request) -> Listed:
        """All webhooks, newest first, with the ends of their secrets."""
        may_write(app.access, request)
        found = [_shown(webhook) for webhook in app.ledger().webhooks.list()]
        return Listed(webhooks=found, total=len(found))

    @routes.delete("/v1/webhooks/{webhook_id}")
    def remove(webhook_id: str, request: Request) -> Removed:
        """Removes a webhook; what waits for it is not sent any more."""
        may_write(app.access, request)
        app.ledger().webhooks.remove(webhook_id)
        return Removed(webhook_id=webhook_id, deleted=True)

    @routes.post("/v1/webhooks/{webhook_id}/test")
    async def test(webhook_id: str, request: Request) -> Pinged:
        """Sends a ping at once, past the outbox, and says what came back."""
        may_write(app.access, request)
        webhook = await asyncio.to_thread(lambda: app.ledger().webhooks.get(webhook_id))
        ping = Message(
            delivery_id=uuid.uuid4().hex,
            webhook_id=webhook_id,
            url=webhook.url,
            secret=webhook.secret,
            event=message.PING,
            data={"webhook_id": webhook_id, "note": PING_NOTE},
            created_at=datetime.now(UTC),
        )
        sent = await sending.send(ping, private=app.settings.webhooks.private_addresses)
        return Pinged(
            webhook_id=webhook_id,
            url=webhook.url,
            delivery_id=ping.delivery_id,
            status=sent.status,
            error=sent.error,
            duration_ms=sent.duration_ms,
            body=sent.answer[:SHOWN],
        )

    _deliveries(routes, app)
    return routes


def _deliveries(routes: APIRouter, app: App) -> None:
    @routes.get("/v1/webhook-deliveries")
    def deliveries(
        request: Request, webhook_id: str | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> Deliveries:
        """What was sent in the last 30 days and what waits, newest first."""
        may_write(app.access, request)
        return Deliveries(deliveries=app.ledger().outbox.list(webhook_id=webhook_id, limit=limit))

    @routes.get("/v1/webhook-deliveries/{delivery_id}")
    def delivery(delivery_id: str, request: Request) -> Logged:
        """A message, and every attempt to send it."""
        may_write(app.access, request)
        return _logged(app, delivery_id)

    @routes.post("/v1/webhook-deliveries/{delivery_id}/redeliver")
    def redeliver(delivery_id: str, request: Request) -> Logged:
        """Sends a finished message again, under the same id, with all its attempts."""
        may_write(app.access, request)
        app.ledger().outbox.again(delivery_id, now=datetime.now(UTC))
        app.webhooks().notify()
        return _logged(app, delivery_id)


def _logged(app: App, delivery_id: str) -> Logged:
    found, attempts = app.ledger().outbox.get(delivery_id)
    return Logged(**found.model_dump(), log=attempts)


def _shown(webhook: Webhook) -> Shown:
    fields: dict[str, Any] = webhook.model_dump(exclude={"secret", "created_at"})
    preview = f"{webhook.secret[:6]}…{webhook.secret[-4:]}"
    return Shown(**fields, created_at=webhook.created_at.isoformat(), secret_preview=preview)
