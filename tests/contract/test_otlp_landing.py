"""From the wire into the real store: bad input costs nobody else anything, and what is stored is what was sent."""

from __future__ import annotations

import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from flightdeck.settings import BatchSettings
from flightdeck.store import landing, scores
from tests import otlp
from tests.contract.otlp_receiver import PATIENCE_S, running

TIMEOUT_S = 60


@pytest.fixture
def land(engine):
    return landing.prepare(engine).land


@pytest.fixture
def receiver(land):
    with running(land) as receiver:
        yield receiver


def post(receiver, body, kind="application/x-protobuf"):
    return httpx.post(f"{receiver.url}/v1/traces", content=body, headers={"Content-Type": kind}, timeout=TIMEOUT_S)


def partial_success(answer):
    assert answer.status_code == 200, answer.text
    return ExportTraceServiceResponse.FromString(answer.content).partial_success


def stored(engine, *columns):
    """The spans in the store, by name, each once."""
    listed = ", ".join(columns or ("name",))
    answer = engine.query(f"SELECT {listed} FROM spans FINAL ORDER BY name")
    return [row if len(row) > 1 else row[0] for row in answer.rows()]


def test_what_is_acknowledged_is_stored_over_every_way_in(engine, receiver):
    request = otlp.traces(otlp.span(name="protobuf"))
    assert post(receiver, request.SerializeToString()).status_code == 200
    assert post(receiver, otlp.to_json(otlp.traces(otlp.span(name="json"))), "application/json").status_code == 200
    with grpc.insecure_channel(receiver.grpc) as channel:
        TraceServiceStub(channel).Export(otlp.traces(otlp.span(name="grpc")), timeout=TIMEOUT_S)
    assert stored(engine, "name", "kind", "input", "scope", "resource_release_id") == [
        (name, "llm", 301, "test", "rel_0123456789ab") for name in ("grpc", "json", "protobuf")
    ]


def test_json_and_protobuf_of_one_request_are_the_same_span(engine, receiver):
    span = otlp.span(name="both", parent_span_id=b"12345678", flags=0x300, kind=2)
    span.attributes.append(otlp.attribute("gen_ai.response.model", "gpt-4.1 größer"))
    span.events.add(name="exception", attributes=[otlp.attribute("exception.type", "KeyError")])
    span.status.code = 2
    everything = "SELECT * EXCEPT (landed_us, writer) FROM spans FINAL"
    assert post(receiver, otlp.traces(span).SerializeToString()).status_code == 200
    first = list(engine.query(everything).rows())
    engine.command("TRUNCATE TABLE spans")
    assert post(receiver, otlp.to_json(otlp.traces(span)), "application/json").status_code == 200
    assert list(engine.query(everything).rows()) == first
    assert len(first) == 1


def test_bad_spans_are_named_and_the_good_ones_beside_them_stored(engine, receiver):
    """One request with ids of wrong length, a span older than spans are kept, and times that can't be right."""
    now = time.time_ns()
    answer = partial_success(
        post(
            receiver,
            otlp.traces(
                otlp.span(name="a good"),
                otlp.span(name="long trace id", trace_id=b"x" * 32),
                otlp.span(name="short span id", span_id=b"x"),
                otlp.span(name="zero ids", trace_id=bytes(16), span_id=bytes(8)),
                otlp.span(name="old", start_time_unix_nano=1, end_time_unix_nano=now - 31 * otlp.DAY_NS),
                otlp.span(name="b zero times", start_time_unix_nano=0, end_time_unix_nano=0),
                otlp.span(name="c far future", start_time_unix_nano=2**64 - 1, end_time_unix_nano=2**64 - 1),
                otlp.span(name="d ends first", start_time_unix_nano=now, end_time_unix_nano=now - 5),
                otlp.span(name="e zero parent", parent_span_id=bytes(8)),
            ).SerializeToString(),
        )
    )
    assert answer.rejected_spans == 4
    for reason in ("trace id has 32 bytes", "span id has 1 bytes", "trace id is all zeros", "more than 30 days ago"):
        assert reason in answer.error_message
    assert stored(engine) == ["a good", "b zero times", "c far future", "d ends first", "e zero parent"]


def test_spans_of_200_days_do_not_fail_a_batch(engine, receiver):
    now = time.time_ns()
    spans = [
        otlp.span(
            name=f"day {day:03}",
            start_time_unix_nano=now - day * otlp.DAY_NS - 60 * otlp.SECOND_NS,
            end_time_unix_nano=now - day * otlp.DAY_NS + 60 * otlp.SECOND_NS,
        )
        for day in range(200)
    ]
    assert partial_success(post(receiver, otlp.traces(*spans).SerializeToString())).rejected_spans == 169
    assert stored(engine) == [f"day {day:03}" for day in range(31)]


def test_attributes_of_any_sort_and_number_do_not_fail_a_batch(engine, receiver):
    odd = otlp.span(name="odd")
    for key in ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"):
        odd.attributes.append(otlp.attribute(key, float("nan")))
    odd.attributes.append(otlp.attribute("gen_ai.usage.output_tokens", float("inf")))
    odd.attributes.append(otlp.attribute("gen_ai.usage.reasoning_tokens", "many"))
    odd.attributes.append(otlp.attribute("gen_ai.response.model", 5))
    nested = odd.attributes.add(key="gen_ai.provider.name").value
    for _ in range(40):
        nested = nested.array_value.values.add()
    many = otlp.span(name="many", attributes=[otlp.attribute(f"key.{number}", "x" * 20) for number in range(10_000)])
    many.attributes.append(otlp.attribute("gen_ai.operation.name", "chat"))
    assert post(receiver, otlp.traces(odd, many, otlp.span(name="plain")).SerializeToString()).status_code == 200
    assert stored(engine, "name", "kind") == [("many", "llm"), ("odd", "llm"), ("plain", "llm")]


def test_bad_utf8_in_texts_does_not_fail_a_batch(engine, receiver):
    body = otlp.traces(otlp.span(name="caf____"), otlp.span(name="plain")).SerializeToString()
    assert post(receiver, body.replace(b"caf____", b"caf\xff\xfe\xc3\x28")).status_code == 200
    assert len(stored(engine)) == 2


def test_duplicate_spans_and_a_repeated_export_are_one_span(engine, receiver):
    span = otlp.span(name="twice")
    body = otlp.traces(span, span).SerializeToString()
    for _ in range(2):
        assert post(receiver, body).status_code == 200
    assert stored(engine) == ["twice"]


def test_values_that_a_client_sends_under_our_numbers_never_count(engine, receiver):
    forged = b"".join(tag + struct.pack("<Q", 4_000_000_000) for tag in (b"\xc9\x3e", b"\xd1\x3e", b"\xd9\x3e"))
    body = otlp.traces(otlp.span(name="a forged")).SerializeToString()
    before = time.time_ns() // 1000
    assert post(receiver, forged + body + forged).status_code == 200
    rejected = otlp.traces(otlp.span(span_id=b"")).SerializeToString()
    assert (
        post(
            receiver, forged + rejected + otlp.traces(otlp.span(name="b rewritten")).SerializeToString() + forged
        ).status_code
        == 200
    )
    for name, workspace, landed_us, writer in stored(engine, "name", "workspace", "landed_us", "writer"):
        assert (workspace, writer) == (0, 0), name
        assert before <= landed_us <= time.time_ns() // 1000


def test_an_evaluation_result_is_stored_as_a_score_and_a_repeated_one_once(engine, land):
    body = otlp.evaluation(trace_id=bytes(range(16)), span_id=bytes(range(1, 9))).SerializeToString()
    with running(land, store_scores=partial(scores.add, engine)) as receiver:
        for _ in range(2):
            answer = httpx.post(
                f"{receiver.url}/v1/logs",
                content=body,
                headers={"Content-Type": "application/x-protobuf"},
                timeout=TIMEOUT_S,
            )
            assert (answer.status_code, answer.content) == (200, b"")
    found = engine.query("SELECT subject, span_id, name, value, label FROM scores FINAL")
    assert list(found.rows()) == [
        ("000102030405060708090a0b0c0d0e0f", "0102030405060708", "Relevance", 0.75, "relevant")
    ]


# What upb reads as an unknown field, because a known one has a wrong wire type, and the engine refuses.
POISON = {
    "a name that is a number": b"\x28\x05",
    "an attribute that is a number": b"\x48\x05",
    "a start time that is a varint": b"\x38\x05",
}


def poisoned(name, poison):
    """An export with one span, after whose fields the poison stands."""
    request = otlp.traces(otlp.span(name=name))
    span = request.resource_spans[0].scope_spans[0].spans[0].SerializeToString() + poison
    request.resource_spans[0].scope_spans[0].ClearField("spans")
    scope = request.resource_spans[0].scope_spans[0].SerializeToString() + field(2, span)
    return field(1, field(2, scope))


def field(number, content):
    size = bytearray()
    left = len(content)
    while left > 0x7F:
        size.append(left & 0x7F | 0x80)
        left >>= 7
    size.append(left)
    return bytes([number << 3 | 2]) + bytes(size) + content


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_of_many_clients_in_one_commit_only_the_poisoner_is_refused(engine, land, poison):
    entered, opened = threading.Semaphore(0), threading.Event()
    batches = []

    def watched(batch):
        batches.append(len(batch))
        entered.release()
        assert opened.wait(PATIENCE_S)
        land(batch)

    with (
        running(watched, batch=BatchSettings(wait_ms=0)) as receiver,
        ThreadPoolExecutor(12) as pool,
    ):
        first = pool.submit(post, receiver, otlp.traces(otlp.span(name="good first")).SerializeToString())
        assert entered.acquire(timeout=PATIENCE_S)
        good = [
            pool.submit(post, receiver, otlp.traces(otlp.span(name=f"good {number}")).SerializeToString())
            for number in range(9)
        ]
        bad = pool.submit(post, receiver, poisoned("bad", poison))
        queued = wait_until(lambda: receiver.commit.waiting == 11)
        opened.set()
        answers = [future.result(TIMEOUT_S).status_code for future in (first, *good)]
        refused = bad.result(TIMEOUT_S)
    assert queued
    assert answers == [200] * 10
    assert refused.status_code == 400
    assert stored(engine) == [*(f"good {number}" for number in range(9)), "good first"]
    assert 2 < len(batches) <= 2 + 2 * 4  # halved down to one of ten


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()
