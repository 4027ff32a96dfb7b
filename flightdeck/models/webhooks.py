"""Webhooks: who is told of decisions, and what became of each message."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel

from flightdeck.models.fields import Moment

WebhookEvent = Literal["promote.succeeded", "rollback.succeeded", "promote.blocked"]
WEBHOOK_EVENTS: tuple[str, ...] = tuple(sorted(get_args(WebhookEvent)))
"""What a webhook can be told of. A blocked rollback is no event, as in 1.3."""

DeliveryState = Literal["pending", "delivered", "failed", "cancelled"]


class Webhook(BaseModel):
    """A subscription. Whoever knows ``secret`` can sign messages."""

    webhook_id: str
    url: str
    events: list[str]
    enabled: bool
    description: str | None
    secret: str
    created_at: Moment


class Message(BaseModel):
    """One message to one webhook: what is sent is the same at every attempt, to the byte."""

    delivery_id: str
    webhook_id: str
    url: str
    secret: str
    event: str
    data: dict[str, Any]
    created_at: Moment


class Delivery(BaseModel):
    """What became of a message. ``due_at`` is when the next attempt is made, null when there is none."""

    delivery_id: str
    webhook_id: str
    event: str
    state: DeliveryState
    attempts: int
    created_at: Moment
    due_at: Moment | None
    finished_at: Moment | None


class Attempt(BaseModel):
    """One attempt: the receiver's status, or why there is none."""

    number: int
    at: Moment
    duration_ms: int
    status: int | None
    error: str | None
