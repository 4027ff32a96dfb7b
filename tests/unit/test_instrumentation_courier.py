"""What becomes of runs on the wire: every answer a server may give."""

import gzip
import json
import logging
from collections.abc import Callable, Mapping

import pytest

from flightdeck.otel.instrumentation import outbox
from flightdeck.otel.instrumentation.counters import Counters
from flightdeck.otel.instrumentation.courier import Courier
from flightdeck.otel.instrumentation.losses import Losses
from flightdeck.otel.instrumentation.outbox import Outbox
from flightdeck.otel.instrumentation.throttled import ThrottledLog
from flightdeck.otel.instrumentation.wire import Answer, Unreachable

EVENTS = [b'{"run_id":"%d","pad":"%s"}' % (number, b"x" * 300) for number in range(8)]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeWire:
    """The network: answers each request with what ``answer`` says of its decoded body."""

    def __init__(self, answer: Callable[[list[str]], Answer]) -> None:
        self._answer = answer
        self.requests: list[tuple[list[str], Mapping[str, str]]] = []

    def __call__(
        self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> Answer:
        assert (method, url, timeout_s) == ("POST", "http://server/v1/events", 10)
        plain = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        run_ids = [event["run_id"] for event in json.loads(plain)["events"]]
        self.requests.append((run_ids, headers))
        return self._answer(run_ids)


def answer(status: int, body: object = None, **headers: str) -> Answer:
    return Answer(
        status, json.dumps(body or {}).encode(), {key.replace("_", "-"): text for key, text in headers.items()}
    )


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def courier_on(counters, clock):
    def make(wire, token=""):
        log = ThrottledLog(clock)
        return Courier(
            "http://server",
            token,
            wire=wire,
            counters=counters,
            losses=Losses(),
            log=log,
            clock=clock,
            jitter=lambda: 1.0,
            now=lambda: 1_700_000_000.0,
        )

    return make


def test_accepted_runs_are_counted_as_the_server_counts_them(courier_on, counters):
    told = {"inserted": 5, "duplicates": 2, "conflicts": 1, "conflicting_run_ids": ["7"]}
    wire = FakeWire(lambda _: answer(200, told))
    assert courier_on(wire).deliver(EVENTS) == []
    assert (counters.runs_inserted, counters.runs_duplicate, counters.runs_conflicting) == (5, 2, 1)


def test_what_the_server_finds_odd_about_runs_that_it_took_is_logged(courier_on, counters, caplog):
    told = {"inserted": 2, "warnings": ["No such release is registered: 'rel_x'."]}
    assert courier_on(FakeWire(lambda _: answer(200, told))).deliver(EVENTS) == []
    assert "http://server took the runs, but: No such release is registered: 'rel_x'." in caplog.text
    assert counters.runs_inserted == 2


def test_a_batch_is_compressed_and_carries_the_token(courier_on):
    wire = FakeWire(lambda _: answer(200))
    courier_on(wire, "secret").deliver(EVENTS)
    (_, headers), *_ = wire.requests
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_refusal_that_may_pass_keeps_the_runs_in_order(courier_on, counters, status):
    courier = courier_on(FakeWire(lambda _: answer(status)))
    assert courier.deliver(EVENTS) == EVENTS
    assert counters.runs_refused == 0


def test_a_server_that_does_not_answer_keeps_the_runs_in_order(courier_on):
    def refuse(ids):
        raise Unreachable("connection refused")

    assert courier_on(FakeWire(refuse)).deliver(EVENTS) == EVENTS


def test_pauses_double_up_to_half_a_minute_and_start_again_after_success(courier_on, clock):
    answers = [answer(503)] * 9 + [answer(200), answer(503)]
    courier = courier_on(FakeWire(lambda _: answers.pop(0)))
    pauses = []
    for _ in range(9):
        courier.deliver(EVENTS)
        pauses.append(courier.retry_at - clock.now)
        clock.now = courier.retry_at
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert courier.deliver(EVENTS) == []
    courier.deliver(EVENTS)
    assert courier.retry_at - clock.now == 0.5


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("120", 120),
        ("99999999", 300),
        ("0", 0.5),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60),
        ("soon", 0.5),
        ("-5", 0.5),
        ("9" * 4000, 0.5),
    ],
)
def test_retry_after_is_honoured_within_reason(courier_on, clock, header, pause):
    courier = courier_on(FakeWire(lambda _: answer(429, retry_after=header)))
    courier.deliver(EVENTS)
    assert courier.retry_at - clock.now == pause


@pytest.mark.parametrize("status", [400, 413, 422])
def test_only_the_bad_run_of_a_batch_is_lost(courier_on, counters, status):
    wire = FakeWire(lambda ids: answer(status, {"detail": "no"}) if "5" in ids else answer(200, {"inserted": len(ids)}))
    assert courier_on(wire).deliver(EVENTS) == []
    assert (counters.runs_inserted, counters.runs_refused) == (7, 1)


def test_halves_that_wait_for_a_retry_keep_their_order(courier_on):
    wire = FakeWire(lambda ids: answer(400) if len(ids) > 2 else answer(200) if "0" in ids else answer(503))
    assert courier_on(wire).deliver(EVENTS) == EVENTS[2:]


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405])
def test_a_refusal_of_the_sender_is_not_halved(courier_on, counters, status):
    wire = FakeWire(lambda _: answer(status))
    assert courier_on(wire).deliver(EVENTS) == []
    assert len(wire.requests) == 1
    assert counters.runs_refused == 8


def test_a_server_that_can_not_read_gzip_gets_plain_bodies_from_then_on(courier_on, counters):
    wire = FakeWire(lambda ids: answer(200, {"inserted": len(ids)}))
    real = wire.__call__

    def without_gzip(method, url, *, body, headers, timeout_s):
        if "Content-Encoding" in headers:
            wire.requests.append(([], headers))
            return answer(422, {"detail": "not JSON"})
        return real(method, url, body=body, headers=headers, timeout_s=timeout_s)

    courier = courier_on(without_gzip)
    assert courier.deliver(EVENTS) == []
    assert courier.deliver(EVENTS) == []
    assert [("Content-Encoding" in headers) for _, headers in wire.requests] == [True, False, False]
    assert counters.runs_inserted == 16


@pytest.mark.parametrize("garbage", [b"", b"<html>", b"[]", b"null", b'{"inserted": "many", "conflicts": "many"}'])
def test_an_accepting_answer_that_says_nothing_counts_the_batch(courier_on, counters, garbage):
    assert courier_on(FakeWire(lambda _: Answer(200, garbage, {}))).deliver(EVENTS) == []
    assert counters.runs_inserted == 8


def test_trouble_costs_one_log_line_a_minute(courier_on, clock, caplog):
    courier = courier_on(FakeWire(lambda _: answer(503)))
    with caplog.at_level(logging.WARNING, "flightdeck.otel"):
        for _ in range(100):
            courier.deliver(EVENTS)
            clock.now += 1
    assert len(caplog.records) == 2
    assert "59 more" in caplog.records[1].message


def test_the_token_is_never_logged(courier_on, caplog):
    with caplog.at_level(logging.DEBUG):
        courier_on(FakeWire(lambda _: answer(401, {"detail": "wrong"})), "hush-hush").deliver(EVENTS)
    assert "refused 8" in caplog.text
    assert "hush-hush" not in caplog.text


def test_the_outbox_drops_the_oldest_runs_and_counts_them(monkeypatch):
    monkeypatch.setattr(outbox, "MOST_EVENTS", 5)
    box = Outbox()
    box.put(EVENTS)
    assert box.dropped == 3
    assert box.batch() == EVENTS[3:]


def test_the_outbox_is_bounded_in_bytes(monkeypatch):
    monkeypatch.setattr(outbox, "MOST_BYTES", 1000)
    box = Outbox()
    box.put(EVENTS)
    assert sum(map(len, box.batch())) <= 1000


def test_batches_are_bounded_and_a_huge_run_goes_alone(monkeypatch):
    monkeypatch.setattr(outbox, "BATCH_BYTES", 700)
    box = Outbox()
    box.put([EVENTS[0], EVENTS[1], b"x" * 5000, EVENTS[2]])
    sizes = []
    while batch := box.batch():
        sizes.append(len(batch))
        box.done(len(batch))
    assert sizes == [2, 1, 1]
    assert box.empty


def test_runs_that_are_not_done_go_out_first():
    box = Outbox()
    box.put(EVENTS)
    assert box.batch() == EVENTS
    box.done(3)
    box.put([b"later"])
    assert box.batch() == [*EVENTS[3:], b"later"]
