"""From a decision to a real receiver: the outbox, attempts and their log, back-off, what is never connected to."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import text

from flightdeck.errors import Conflict, NotFound
from flightdeck.ledger import Ledger
from flightdeck.ledger.database import Database
from flightdeck.models import Message, Webhook
from flightdeck.webhooks import sending
from flightdeck.webhooks.dispatcher import BACKOFF_S, LEASE, Dispatcher
from flightdeck.webhooks.sending import send
from tests.contract.promotion_parts import evidence, furnish, promotions, wish
from tests.receiver import Receiver, receiving

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECRET = "6GvjfrkZ--E4EX_-8eAbiB1kLmww_an72x6BrMfok3U"
AT_ONCE = (0.01,) * 3


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def hook(ledger: Ledger, url: str, webhook_id: str = "wh_1", **changes: Any) -> None:
    values = {
        "webhook_id": webhook_id,
        "url": url,
        "events": ["promote.succeeded", "rollback.succeeded", "promote.blocked"],
        "enabled": True,
        "description": None,
        "secret": SECRET,
        "created_at": NOW,
    }
    ledger.webhooks.add(Webhook(**{**values, **changes}))


def promoted(ledger: Ledger, release_id: str = "r1") -> str:
    """One promotion, and so one message to every webhook; the id of the first."""
    furnish(ledger, release_id)
    promotions(ledger, evidence()).promote(wish(release_id))
    return ledger.outbox.list(limit=1)[0].delivery_id


def eventually(claim: Callable[[], object]) -> None:
    """Waits until a claim holds."""
    until = time.monotonic() + 30
    while not claim():
        assert time.monotonic() < until, "it never came true"
        threading.Event().wait(0.01)


def message(url: str, **changes: Any) -> Message:
    values = {
        "delivery_id": "d1",
        "webhook_id": "wh_1",
        "url": url,
        "secret": SECRET,
        "event": "promote.succeeded",
        "data": {},
        "created_at": NOW,
    }
    return Message(**{**values, **changes})


def sent(url: str, **options: Any) -> sending.Sent:
    return asyncio.run(send(message(url), **options))


# --- what is told ---


@pytest.mark.contract("C2.31")
def test_a_decision_is_told_with_1_3s_data(ledger, receiver):
    hook(ledger, receiver.url + "/hook")
    furnish(ledger, "cheap", "same", "dear")
    own = promotions(ledger, evidence(cheap=1.0, same=1.0, dear=9.0))
    dispatcher = Dispatcher(ledger.outbox)
    dispatcher.start()
    first = own.promote(wish("cheap", actor="ann", reason="why"))
    dispatcher.notify()
    got = receiver.next()
    told = json.loads(got.body)
    assert told == {
        "event": "promote.succeeded",
        "delivery_id": got.headers["x-flightdeck-delivery"],
        "created_at": told["created_at"],
        "data": {
            "action_id": first.action_id,
            "release_id": "cheap",
            "agent_id": "agent_x",
            "environment": "prod",
            "window": "7d",
            "actor": "ann",
            "reason": "why",
            "baseline_release_id": None,
        },
    }
    assert (got.path, got.headers["x-flightdeck-event"]) == ("/hook", "promote.succeeded")
    with pytest.raises(Exception, match="blocked"):
        own.promote(wish("dear"))
    dispatcher.notify()
    told = json.loads(receiver.next().body)
    assert (told["event"], told["data"]["baseline_release_id"]) == ("promote.blocked", "cheap")
    assert told["data"]["policy_reasons"] == ["candidate cost_per_run_usd 9.000000 exceeds max 4.000000"]
    own.rollback(wish("cheap"))
    dispatcher.notify()
    assert json.loads(receiver.next().body)["event"] == "rollback.succeeded"
    with pytest.raises(Exception, match="blocked"):
        own.rollback(wish("dear"))
    dispatcher.close(5)
    assert receiver.received.empty(), "a blocked rollback is no event"


@pytest.mark.contract("C2.32")
def test_only_who_wants_an_event_is_told_of_it(ledger):
    hook(ledger, "http://127.0.0.1:9/a", "wh_a", events=["promote.succeeded", "promote.succeeded"])
    hook(ledger, "http://127.0.0.1:9/b", "wh_b", events=["promote.blocked"])
    hook(ledger, "http://127.0.0.1:9/c", "wh_c", enabled=False)
    promoted(ledger)
    assert [each.webhook_id for each in ledger.outbox.list(limit=9)] == ["wh_a"]


def test_a_promotion_does_not_wait_for_receivers(ledger, receiver):
    """1.3 sent inside the request: a slow receiver held up the promotion (D11)."""
    free = threading.Event()
    receiver.before = lambda: free.wait(30)
    hook(ledger, receiver.url)
    dispatcher = Dispatcher(ledger.outbox)
    dispatcher.start()
    promoted(ledger)
    dispatcher.notify()
    receiver.next()
    assert ledger.outbox.list(limit=1)[0].state == "pending", "the decision is there, the answer is not"
    assert ledger.decisions.verify()[0] == 1
    free.set()
    eventually(lambda: ledger.outbox.list(limit=1)[0].state == "delivered")
    dispatcher.close(5)


# --- again and again ---


def test_what_fails_is_sent_again_with_the_same_bytes_until_it_arrives(ledger, receiver):
    receiver.status = 500
    hook(ledger, receiver.url)
    delivery_id = promoted(ledger)
    dispatcher = Dispatcher(ledger.outbox, backoff_s=AT_ONCE)
    dispatcher.start()
    first, second = receiver.next(), receiver.next()
    receiver.status = 204
    eventually(lambda: ledger.outbox.list(limit=1)[0].state == "delivered")
    dispatcher.close(5)
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery_id
    delivery, log = ledger.outbox.get(delivery_id)
    assert (delivery.due_at, delivery.attempts) == (None, len(log))
    assert [attempt.number for attempt in log] == list(range(1, len(log) + 1))
    assert (log[0].status, log[0].error, log[-1].status, log[-1].error) == (500, "HTTP 500", 204, None)


def test_what_never_arrives_is_given_up_and_may_be_sent_again_by_hand(ledger, receiver):
    receiver.status = 503
    hook(ledger, receiver.url)
    delivery_id = promoted(ledger)
    dispatcher = Dispatcher(ledger.outbox, backoff_s=AT_ONCE)
    dispatcher.start()
    eventually(lambda: ledger.outbox.list(limit=1)[0].state == "failed")
    assert ledger.outbox.get(delivery_id)[0].attempts == 1 + len(AT_ONCE)
    receiver.status = 200
    ledger.outbox.again(delivery_id, now=datetime.now(UTC))
    dispatcher.notify()
    eventually(lambda: ledger.outbox.list(limit=1)[0].state == "delivered")
    dispatcher.close(5)
    assert ledger.outbox.get(delivery_id)[0].attempts == 2 + len(AT_ONCE)
    ids = {receiver.next().headers["webhook-id"] for _ in range(2 + len(AT_ONCE))}
    assert ids == {delivery_id}


def test_what_still_waits_or_is_unknown_can_not_be_sent_again(ledger):
    hook(ledger, "http://127.0.0.1:9/")
    delivery_id = promoted(ledger)
    with pytest.raises(Conflict, match="waits to be sent already"):
        ledger.outbox.again(delivery_id, now=NOW)
    with pytest.raises(NotFound, match="Unknown delivery: nope"):
        ledger.outbox.again("nope", now=NOW)
    ledger.webhooks.remove("wh_1")
    assert ledger.outbox.list(limit=1)[0].state == "cancelled"
    with pytest.raises(NotFound):
        ledger.outbox.again(delivery_id, now=NOW)


def test_pauses_between_attempts_grow_to_a_day(ledger, receiver):
    """Seen on the log of a message, in the dispatcher's own time."""
    receiver.status = 500
    clock = [datetime.now(UTC) + timedelta(seconds=1)]
    hook(ledger, receiver.url)
    promoted(ledger)
    dispatcher = Dispatcher(ledger.outbox, now=lambda: clock[0])
    dispatcher.start()
    pauses = []
    for number in range(1, len(BACKOFF_S) + 1):
        eventually(lambda: ledger.outbox.list(limit=1)[0].attempts == number)  # noqa: B023 - called at once
        due = ledger.outbox.next_due()
        pauses.append((due - clock[0]).total_seconds())
        clock[0] = due
        dispatcher.notify()
    eventually(lambda: ledger.outbox.list(limit=1)[0].state == "failed")
    dispatcher.close(5)
    assert pauses == list(BACKOFF_S)
    assert all(later > earlier for earlier, later in pairwise(BACKOFF_S))


def test_a_message_belongs_to_one_sender_until_its_lease_ends(ledger):
    """Two servers share an outbox; a server that died with a message gives it back."""
    hook(ledger, "http://127.0.0.1:9/")
    delivery_id = promoted(ledger)
    now = datetime.now(UTC)
    ((first, tries),) = ledger.outbox.claim(now=now, lease=LEASE, limit=9)
    assert (first.delivery_id, tries) == (delivery_id, 0)
    assert ledger.outbox.claim(now=now, lease=LEASE, limit=9) == []
    ((again, _),) = ledger.outbox.claim(now=now + LEASE, lease=LEASE, limit=9)
    assert again == first


def test_several_dispatchers_send_each_message_once(ledger, ledger_settings, receiver):
    hook(ledger, receiver.url)
    furnish(ledger, "r1")
    own = promotions(ledger, evidence(r1=1.0))
    for number in range(20):
        own.promote(wish("r1", environment=f"env {number}"))
    with Ledger.open(ledger_settings) as other:
        dispatchers = [Dispatcher(one.outbox) for one in (ledger, other)]
        for dispatcher in dispatchers:
            dispatcher.start()
        eventually(lambda: all(each.state == "delivered" for each in ledger.outbox.list(limit=99)))
        for dispatcher in dispatchers:
            dispatcher.close(5)
    ids = [receiver.next().headers["webhook-id"] for _ in range(20)]
    assert len(set(ids)) == 20
    assert receiver.received.empty()


def test_a_webhook_that_is_removed_while_its_message_is_sent_stays_silent(ledger, receiver):
    receiver.status = 500
    receiver.before = lambda: ledger.webhooks.remove("wh_1")
    hook(ledger, receiver.url)
    delivery_id = promoted(ledger)
    dispatcher = Dispatcher(ledger.outbox, backoff_s=AT_ONCE)
    dispatcher.start()
    eventually(lambda: ledger.outbox.get(delivery_id)[0].attempts == 1)
    dispatcher.close(5)
    assert ledger.outbox.get(delivery_id)[0].state == "cancelled"
    assert ledger.outbox.next_due() is None


def test_a_message_to_a_webhook_that_was_removed_meanwhile_waits_for_nobody(ledger, ledger_settings):
    """It must not be due for ever, either."""
    hook(ledger, "http://127.0.0.1:9/")
    promoted(ledger)
    database = Database.open(ledger_settings)
    with database.write() as connection:
        connection.execute(text("DELETE FROM webhook"))  # as if in the moment between the message and its commit
    database.close()
    assert ledger.outbox.next_due() is None
    assert ledger.outbox.claim(now=datetime.now(UTC), lease=LEASE, limit=9) == []
    ledger.outbox.prune(now=datetime.now(UTC) + timedelta(days=31))
    assert ledger.outbox.list(limit=9) == []


def test_the_log_forgets_after_thirty_days_but_never_what_waits(ledger):
    hook(ledger, "http://127.0.0.1:9/")
    delivery_id = promoted(ledger)
    at = datetime.now(UTC)
    ledger.outbox.prune(now=at + timedelta(days=31))
    assert len(ledger.outbox.list(limit=9)) == 1
    ledger.outbox.report(delivery_id, at=at, duration_ms=1, status=200, error=None, retry_at=None)
    ledger.outbox.prune(now=at + timedelta(days=29))
    assert len(ledger.outbox.get(delivery_id)[1]) == 1
    ledger.outbox.prune(now=at + timedelta(days=31))
    with pytest.raises(NotFound):
        ledger.outbox.get(delivery_id)


def test_a_dispatcher_may_be_closed_without_start_and_twice(ledger):
    Dispatcher(ledger.outbox).close(1)
    dispatcher = Dispatcher(ledger.outbox)
    dispatcher.start()
    dispatcher.close(5)
    dispatcher.close(5)


# --- one attempt ---


@pytest.mark.contract("C2.32")
def test_redirects_are_not_followed(receiver):
    """A good address must not be able to send us to a bad one."""
    receiver.status, receiver.headers = 302, {"Location": receiver.url + "/elsewhere"}
    got = sent(receiver.url + "/hook?x=1")
    assert (got.status, got.error, got.answer) == (302, "HTTP 302", "hello")
    assert receiver.next().path == "/hook?x=1"
    assert receiver.received.empty()


@pytest.mark.contract("C2.32")
def test_a_receiver_that_does_not_answer_costs_five_seconds_at_most(receiver, monkeypatch):
    monkeypatch.setattr(sending, "TIMEOUT_S", 0.5)
    free = threading.Event()
    receiver.before = lambda: free.wait(30)
    got = sent(receiver.url)
    free.set()
    assert (got.status, got.error) == (None, "timeout: no answer within 0.5 s")
    assert 400 <= got.duration_ms < 5000


def test_a_receiver_that_drips_costs_no_more(monkeypatch):
    """A byte now and then satisfies a timeout that is about single reads."""
    monkeypatch.setattr(sending, "TIMEOUT_S", 1.0)
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stop.wait(0.1):
                    try:
                        connection.sendall(b"X: y\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        got = sent(f"http://127.0.0.1:{server.getsockname()[1]}/")
        stop.set()
        thread.join()
    assert got.error == "timeout: no answer within 1 s"


def test_an_answer_is_read_to_a_bound(receiver):
    receiver.answer = b"x" * 10_000_000
    assert sent(receiver.url).answer == "x" * sending.READ


def test_no_proxy_of_the_environment_is_used(receiver, monkeypatch):
    """It would look the name up again, and connect to what it likes."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert sent(receiver.url).status == 200


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Makes names resolve to these addresses, one list a look-up (the last one for all others); who was asked for."""
    real, left, asked = socket.getaddrinfo, list(answers), []

    def getaddrinfo(host: str, port: Any, *arguments: Any, **named: Any) -> Any:
        if not host.endswith(".example"):
            return real(host, port, *arguments, **named)
        if named.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        asked.append(host)
        now = left.pop(0) if len(left) > 1 else left[0]
        return [found for address in now for found in real(address, port, *arguments, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "fe80::1", "::ffff:169.254.169.254"])
def test_a_name_that_resolves_to_a_forbidden_address_is_not_connected_to(monkeypatch, address):
    """A filter on the name alone is passed by any DNS record (D11)."""
    resolving(monkeypatch, [address])
    got = sent("http://innocent.example/")
    assert got.status is None
    assert got.error.startswith("refused: innocent.example is ")


def test_a_name_with_good_and_bad_addresses_is_not_connected_to(receiver, monkeypatch):
    resolving(monkeypatch, ["127.0.0.1", "169.254.169.254"])
    got = sent(receiver.url.replace("127.0.0.1", "mixed.example"))
    assert got.error.startswith("refused: mixed.example is 169.254.169.254")
    assert receiver.received.empty()


def test_the_connection_is_made_to_the_address_that_was_checked(receiver, monkeypatch):
    """A name whose second look-up differs (DNS rebinding) gains nothing: there is no second look-up."""
    asked = resolving(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    url = receiver.url.replace("127.0.0.1", "rebinding.example")
    assert sent(url + "/x").status == 200
    assert asked == ["rebinding.example"]
    assert receiver.next().headers["host"] == url.removeprefix("http://")


def test_the_next_address_is_tried_when_one_refuses(receiver, monkeypatch):
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    assert sent(receiver.url.replace("127.0.0.1", "two.example")).status == 200


def test_private_addresses_are_not_connected_to_where_that_is_set(receiver):
    assert sent(receiver.url).status == 200
    got = sent(receiver.url, private=False)
    assert (got.status, got.error) == (
        None,
        "refused: Webhook URL targets a loopback or private address (webhooks.private_addresses is false); refusing.",
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:9/", "transport error: ConnectError"),
        ("http://no-such-name.invalid/", "transport error: gaierror"),
        ("ftp://127.0.0.1/", "refused: Webhook URL scheme must be http or https"),
    ],
)
def test_what_can_not_be_reached_is_an_error_never_an_exception(url, said):
    got = sent(url)
    assert got.status is None
    assert got.error.startswith(said)


def test_a_certificate_must_be_of_the_name_not_of_the_address(tmp_path, monkeypatch):
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "1", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=secure.example"),
            *("-addext", "subjectAltName=DNS:secure.example"),
        ],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    resolving(monkeypatch, ["127.0.0.1"])
    with receiving(tls=server) as receiver:
        url = receiver.url.replace("127.0.0.1", "{}")
        assert sent(url.format("secure.example"), tls=trusting).status == 200
        assert "certificate" in sent(url.format("other.example"), tls=trusting).error.lower()
        assert "certificate" in sent(url.format("secure.example")).error.lower(), "nobody vouches for it"
