"""What a webhook receives: 1.3's bytes and signature, and those of Standard Webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook as Standard
from standardwebhooks import WebhookVerificationError

from flightdeck.models import Message
from flightdeck.webhooks.message import body, headers, standard_secret

NOW = datetime(2026, 11, 24, 12, 0, 0, 5, tzinfo=UTC)
MESSAGE = Message(
    delivery_id="d6eb0581b3544d448cba42480840daee",
    webhook_id="wh_1",
    url="http://127.0.0.1:1/",
    secret="6GvjfrkZ--E4EX_-8eAbiB1kLmww_an72x6BrMfok3U",
    event="promote.succeeded",
    data={"window": "7d", "action_id": "act_1", "reason": "ü", "baseline_release_id": None},
    created_at=NOW,
)


@pytest.mark.contract("C2.31")
def test_the_body_is_compact_sorted_json():
    assert body(MESSAGE) == (
        b'{"created_at":"2026-11-24T12:00:00.000005+00:00","data":{"action_id":"act_1","baseline_release_id":null,'
        b'"reason":"\\u00fc","window":"7d"},"delivery_id":"d6eb0581b3544d448cba42480840daee",'
        b'"event":"promote.succeeded"}'
    )


@pytest.mark.contract("C2.31")
def test_the_headers_are_1_3s_and_the_standard_s():
    content = body(MESSAGE)
    sent = headers(MESSAGE, content, NOW)
    signature = hmac.new(MESSAGE.secret.encode(), content, hashlib.sha256).hexdigest()
    assert sent["X-FlightDeck-Signature"] == f"sha256={signature}"
    assert sent["X-FlightDeck-Event"] == "promote.succeeded"
    assert sent["X-FlightDeck-Delivery"] == sent["webhook-id"] == MESSAGE.delivery_id
    assert sent["User-Agent"] == "FlightDeck-Webhook/1"
    assert sent["Content-Type"] == "application/json"


def test_the_standard_s_own_library_accepts_them():
    now, content = datetime.now(UTC), body(MESSAGE)
    library = Standard(standard_secret(MESSAGE.secret))
    assert library.verify(content, headers(MESSAGE, content, now)) == json.loads(content)
    with pytest.raises(WebhookVerificationError):
        library.verify(content.replace(b"7d", b"8d"), headers(MESSAGE, content, now))
    with pytest.raises(WebhookVerificationError):
        library.verify(content, headers(MESSAGE, content, now - timedelta(hours=1)))
    with pytest.raises(WebhookVerificationError):
        Standard(standard_secret("another")).verify(content, headers(MESSAGE, content, now))
