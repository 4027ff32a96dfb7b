"""What a webhook receives: 1.3's JSON and headers, and beside them those of Standard Webhooks.

Both signatures are HMAC-SHA256 under the webhook's secret (its UTF-8 bytes): ``X-FlightDeck-Signature`` over the body,
``webhook-signature`` over id, time and body, as https://www.standardwebhooks.com says. Libraries for the latter take
the secret as :func:`standard_secret` writes it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime

from flightdeck.models import Message

PING = "test.ping"


def body(message: Message) -> bytes:
    """The JSON, the same bytes at every attempt."""
    content = {
        "event": message.event,
        "delivery_id": message.delivery_id,
        "created_at": message.created_at.isoformat(),
        "data": message.data,
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def headers(message: Message, content: bytes, at: datetime) -> dict[str, str]:
    """The headers of an attempt at a time."""
    seconds = str(int(at.timestamp()))
    signed = b".".join((message.delivery_id.encode(), seconds.encode(), content))
    return {
        "Content-Type": "application/json",
        "User-Agent": "FlightDeck-Webhook/1",
        "X-FlightDeck-Signature": f"sha256={_hmac(message.secret, content).hex()}",
        "X-FlightDeck-Event": message.event,
        "X-FlightDeck-Delivery": message.delivery_id,
        "webhook-id": message.delivery_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(_hmac(message.secret, signed)).decode()}",
    }


def standard_secret(secret: str) -> str:
    """The secret as libraries for Standard Webhooks take it."""
    return f"whsec_{base64.b64encode(secret.encode()).decode()}"


def _hmac(secret: str, content: bytes) -> bytes:
    return hmac.new(secret.encode(), content, hashlib.sha256).digest()
