"""docs/promotions.md: what it tells receivers and auditors to run, runs."""

import re
from datetime import UTC, datetime
from pathlib import Path

from flightdeck.ledger import Ledger
from flightdeck.models import Message
from flightdeck.settings import LedgerSettings
from flightdeck.webhooks.dispatcher import BACKOFF_S
from flightdeck.webhooks.message import body, headers, standard_secret
from tests.contract.promotion_parts import evidence, furnish, promotions, wish

PAGE = (Path(__file__).parents[2] / "docs" / "promotions.md").read_text(encoding="utf-8")
CHAIN, SIGNATURE, STANDARD = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_a_decision_is_checked_as_the_page_says(tmp_path):
    with Ledger.open(LedgerSettings(db_path=tmp_path / "ledger.db")) as ledger:
        furnish(ledger, "r1", "r2")
        own = promotions(ledger, evidence(r1=1.0, r2=1.5))
        for release_id in ("r1", "r2"):
            exec(CHAIN, {"shown": ledger.decisions.get(own.promote(wish(release_id)).action_id)})


def test_a_message_is_checked_as_the_page_says():
    now, secret = datetime.now(UTC), "s3cret"
    message = Message(
        delivery_id="d", webhook_id="w", url="u", secret=secret, event="e", data={"a": "ü"}, created_at=now
    )
    content = body(message)
    received = {"body": content, "headers": headers(message, content, now)}
    exec(SIGNATURE, {**received, "secret": secret})
    found = {**received, "standard_secret": standard_secret(secret)}
    exec(STANDARD, found)
    assert found["message"]["data"] == {"a": "ü"}


def test_the_page_names_the_pauses_between_attempts():
    assert BACKOFF_S == (1, 5, 30, 5 * 60, 30 * 60, 2 * 3600, 8 * 3600, 24 * 3600)
    assert "1 s, 5 s, 30 s, 5 min, 30 min, 2 h,\n8 h and 24 h" in PAGE
