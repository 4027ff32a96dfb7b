"""OTLP/HTTP, clause by clause of the specification, against the running receiver."""

from __future__ import annotations

import gzip
import socket
import zlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from flightdeck.errors import Invalid, StoreUnavailable
from flightdeck.otel.receiver.compression import zstd
from flightdeck.otel.receiver.receiver import MIB
from flightdeck.settings import BatchSettings
from tests import otlp
from tests.contract.otlp_receiver import PATIENCE_S, Landed, running

PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@pytest.fixture
def landed():
    return Landed()


@pytest.fixture
def receiver(landed):
    with running(landed) as receiver:
        yield receiver


def post(receiver, body, kind=PROTOBUF, path="/v1/traces", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.post(receiver.url + path, content=body, headers={"Content-Type": kind, **headers}, timeout=PATIENCE_S)


def refused(answer, kind=PROTOBUF):
    """The status in the answer's body, which must be in the encoding of the request."""
    assert answer.headers["content-type"] == kind
    if kind == JSON:
        return answer.json()["message"]
    return Status.FromString(answer.content).message


def test_a_stored_request_is_answered_with_an_empty_message(receiver, landed):
    answer = post(receiver, otlp.traces(otlp.span()).SerializeToString())
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, PROTOBUF, b"")
    assert len(landed.batches) == 1


def test_json_is_answered_in_json_and_landed_as_protobuf(receiver, landed):
    request = otlp.traces(otlp.span())
    answer = post(receiver, otlp.to_json(request), "application/json; charset=utf-8")
    assert (answer.status_code, answer.headers["content-type"], answer.json()) == (200, JSON, {})
    assert request.resource_spans[0].scope_spans[0].spans[0].trace_id in landed.batches[0]


def test_an_empty_request_is_a_success_and_lands_nothing(receiver, landed):
    assert post(receiver, b"").status_code == 200
    assert post(receiver, b"{}", JSON).json() == {}
    assert landed.batches == []


def test_the_answer_comes_after_the_commit(receiver, landed):
    landed.open.clear()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(post, receiver, otlp.traces(otlp.span()).SerializeToString())
        assert landed.entered.acquire(timeout=PATIENCE_S)
        assert not answer.done()
        landed.open.set()
        assert answer.result(PATIENCE_S).status_code == 200


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_rejected_spans_are_named_and_the_others_stored(receiver, landed, kind):
    good = otlp.span()
    request = otlp.traces(otlp.span(trace_id=b"x" * 32), good)
    body = request.SerializeToString() if kind == PROTOBUF else otlp.to_json(request)
    answer = post(receiver, body, kind)
    assert answer.status_code == 200
    if kind == JSON:
        partial = answer.json()["partialSuccess"]
        assert partial["rejectedSpans"] == "1"  # int64 is a string in JSON
        message = partial["errorMessage"]
    else:
        response = ExportTraceServiceResponse.FromString(answer.content)
        assert response.partial_success.rejected_spans == 1
        message = response.partial_success.error_message
    assert "1 because the trace id has 32 bytes instead of 16" in message
    assert good.span_id in landed.batches[0]
    assert b"x" * 32 not in landed.batches[0]


def test_a_request_of_nothing_but_bad_spans_lands_nothing(receiver, landed):
    answer = post(receiver, otlp.traces(otlp.span(span_id=b"")).SerializeToString())
    assert ExportTraceServiceResponse.FromString(answer.content).partial_success.rejected_spans == 1
    assert landed.batches == []


CODINGS = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress, "identity": bytes}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_every_content_coding_is_read(receiver, landed, coding, kind):
    message = otlp.traces(otlp.span())
    body = CODINGS[coding](message.SerializeToString() if kind == PROTOBUF else otlp.to_json(message))
    assert post(receiver, body, kind, Content_Encoding=coding).status_code == 200
    assert message.resource_spans[0].scope_spans[0].spans[0].span_id in landed.batches[0]


@pytest.mark.parametrize(("body", "kind"), [(b"hello", PROTOBUF), (b"hello", JSON), (b'{"resourceSpans":5}', JSON)])
@pytest.mark.parametrize("path", ["/v1/traces", "/v1/logs", "/v1/metrics"])
def test_a_body_that_cannot_be_read_is_400_with_a_status(receiver, landed, path, body, kind):
    body = body.replace(
        b"resourceSpans", {"/v1/logs": b"resourceLogs", "/v1/metrics": b"resourceMetrics"}.get(path, b"resourceSpans")
    )
    answer = post(receiver, body, kind, path)
    assert answer.status_code == 400
    assert refused(answer, kind).startswith("The body is no ")
    assert landed.batches == []


def test_a_value_that_cannot_be_read_is_400_and_named_by_its_path(receiver):
    body = otlp.to_json(otlp.traces(otlp.span())).replace(b'"301"', b'"many"')
    message = refused(post(receiver, body, JSON), JSON)
    assert (
        "resourceSpans[0].scopeSpans[0].spans[0].attributes[1].value.intValue is 'many', expected an integer" in message
    )


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", b"hello"), ("deflate", b"hello"), ("zstd", b"hello"), ("gzip", gzip.compress(b"x" * 99, mtime=0)[:-3])],
    ids=["gzip", "deflate", "zstd", "cut"],
)
def test_a_body_that_is_not_in_its_coding_is_400(receiver, coding, body):
    assert f"The body is no {coding}" in refused(post(receiver, body, Content_Encoding=coding))


def test_a_coding_that_is_not_read_is_415_and_the_answer_lists_those_that_are(receiver):
    answer = post(receiver, b"", Content_Encoding="br")
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip, deflate, zstd, identity")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_415(receiver, kind):
    answer = post(receiver, b"", kind)
    assert answer.status_code == 415
    assert "Send application/x-protobuf or application/json." in refused(answer, JSON)


def test_another_method_is_405(receiver):
    assert httpx.get(receiver.url + "/v1/traces").status_code == 405


@pytest.fixture
def narrow(landed):
    with running(landed, max_bytes=MIB) as receiver:
        yield receiver


def test_a_body_at_the_bound_passes_and_one_byte_more_is_413(narrow):
    filler = otlp.traces(otlp.span(name="x" * (MIB - 500)))
    short = MIB - len(filler.SerializeToString())
    filler.resource_spans[0].scope_spans[0].spans[0].name += "x" * short
    body = filler.SerializeToString()
    assert len(body) == MIB
    assert post(narrow, body).status_code == 200
    answer = post(narrow, body + b"\0")
    assert answer.status_code == 413
    assert f"more than {MIB} bytes" in refused(answer)


def test_a_body_whose_length_is_not_told_is_413_as_soon_as_it_is_too_long(narrow):
    answer = httpx.post(
        narrow.url + "/v1/traces", content=(bytes(MIB // 4) for _ in range(5)), headers={"Content-Type": PROTOBUF}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_bomb_is_413(narrow, coding):
    bomb = CODINGS[coding](b"\x0a\x00" * (2 * MIB))
    assert len(bomb) < MIB / 10
    answer = post(narrow, bomb, Content_Encoding=coding)
    assert answer.status_code == 413
    assert f"The decompressed body has more than {MIB} bytes" in refused(answer)


def test_the_connection_stays_usable_after_a_refused_body(narrow):
    """A client that keeps its connection must not find the rest of a refused body taken for its next request."""
    with httpx.Client(base_url=narrow.url, headers={"Content-Type": PROTOBUF}) as client:
        for _ in range(3):
            assert client.post("/v1/traces", content=bytes(MIB + 1)).status_code == 413
            assert client.post("/v1/traces", content=otlp.traces(otlp.span()).SerializeToString()).status_code == 200


def test_a_full_queue_is_429_with_retry_after(landed):
    with (
        running(landed, batch=BatchSettings(wait_ms=0, max_queued_requests=1)) as receiver,
        ThreadPoolExecutor(1) as pool,
    ):
        body = otlp.traces(otlp.span()).SerializeToString()
        landed.open.clear()
        first = pool.submit(post, receiver, body)
        assert landed.entered.acquire(timeout=PATIENCE_S)
        answer = post(receiver, body)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        assert "faster than they can be stored" in refused(answer)
        landed.open.set()
        assert first.result(PATIENCE_S).status_code == 200
        assert receiver.counted() == {("accepted_spans", "http"): 1, ("refused_spans", "http"): 1}


def test_too_many_bytes_at_once_are_429_before_they_are_read(landed):
    with running(landed, held_bytes=2 * MIB) as receiver, ThreadPoolExecutor(1) as pool:
        body = otlp.traces(otlp.span(name="x" * MIB)).SerializeToString()
        landed.open.clear()
        first = pool.submit(post, receiver, body)
        assert landed.entered.acquire(timeout=PATIENCE_S)
        answer = post(receiver, body)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        landed.open.set()
        assert first.result(PATIENCE_S).status_code == 200
        assert post(receiver, body).status_code == 200


def test_a_store_that_does_not_answer_is_503_with_retry_after(receiver, landed):
    landed.error = StoreUnavailable("ClickHouse does not answer.", retry_after_s=3)
    answer = post(receiver, otlp.traces(otlp.span()).SerializeToString())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert refused(answer) == "ClickHouse does not answer."
    landed.error = None
    assert post(receiver, otlp.traces(otlp.span()).SerializeToString()).status_code == 200


def test_bytes_that_the_store_refuses_are_400(receiver, landed):
    landed.error = Invalid("The spans can't be read.")
    assert post(receiver, otlp.traces(otlp.span()).SerializeToString()).status_code == 400


def test_a_fault_of_ours_is_500_without_its_text(receiver, landed):
    landed.error = RuntimeError("secret")
    answer = post(receiver, otlp.to_json(otlp.traces(otlp.span())), JSON)
    assert answer.status_code == 500
    assert answer.json() == {"code": 13, "message": "Internal error; the server's log says more."}
    assert receiver.counted() == {("failed_spans", "http"): 1}


def test_a_client_that_hangs_up_disturbs_nobody(receiver, landed):
    address = urlsplit(receiver.url)
    for _ in range(3):
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(
                b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
                b"Content-Length: 100000\r\n\r\nonly this"
            )
    assert post(receiver, otlp.traces(otlp.span()).SerializeToString()).status_code == 200
    assert len(landed.batches) == 1


def test_a_body_that_does_not_arrive_is_503_and_holds_nothing_any_more(landed):
    with running(landed, held_bytes=MIB, body_timeout_s=0.2) as receiver:
        address = urlsplit(receiver.url)
        with socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S) as connection:
            connection.sendall(
                b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 1000000\r\n\r\n" + bytes(900_000)
            )
            answer = connection.recv(10_000)
            while not answer.endswith(b"}"):
                answer += connection.recv(10_000)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"did not arrive within 0.2 seconds" in answer
        assert post(receiver, otlp.traces(otlp.span(name="x" * 900_000)).SerializeToString()).status_code == 200


def test_with_a_token_its_bearer_is_required(landed):
    with running(landed, token="tok") as receiver:
        body = otlp.to_json(otlp.traces(otlp.span()))
        for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "tok"}):
            answer = post(receiver, body, JSON, **headers)
            assert (answer.status_code, answer.json()["code"], answer.headers["www-authenticate"]) == (
                401,
                16,
                "Bearer",
            )
        assert landed.batches == []
        for scheme in ("Bearer", "bearer"):
            assert post(receiver, body, JSON, Authorization=f"{scheme} tok").status_code == 200


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
def test_without_a_token_a_web_page_cannot_write_through_a_foreign_name(receiver, headers):
    answer = post(receiver, b"{}", JSON, **headers)
    assert (answer.status_code, answer.json()["code"]) == (403, 7)


def test_a_metrics_or_logs_request_at_the_traces_endpoint_is_rejected_and_counted(receiver, landed):
    for body in (otlp.metrics(2).SerializeToString(), otlp.evaluation().SerializeToString()):
        answer = ExportTraceServiceResponse.FromString(post(receiver, body).content)
        assert answer.partial_success.rejected_spans == 1
    assert "metrics or logs" in answer.partial_success.error_message
    answer = post(receiver, otlp.to_json(otlp.metrics(2)), JSON).json()["partialSuccess"]
    assert answer == {"errorMessage": "Nothing in the body belongs to /v1/traces: resourceMetrics."}
    assert landed.batches == []
    assert receiver.counted() == {("refused_spans", "http"): 2}


def test_metrics_are_accepted_and_dropped_with_a_warning(receiver):
    answer = post(receiver, otlp.metrics(7).SerializeToString(), path="/v1/metrics")
    partial = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_data_points) == (200, 0)
    assert partial.error_message == "FlightDeck keeps no metrics: 7 data points were dropped."
    assert post(receiver, otlp.to_json(otlp.metrics(2)), JSON, "/v1/metrics").status_code == 200
    assert post(receiver, b"", path="/v1/metrics").content == b""
    assert receiver.counted() == {("dropped_metric_points", "http"): 9}


def test_evaluation_results_become_scores_and_other_logs_are_dropped_with_a_warning(receiver):
    request = otlp.evaluation(trace_id=bytes(range(16)))
    request.resource_logs[0].scope_logs[0].log_records.add().body.string_value = "hello"
    request.resource_logs[0].scope_logs[0].log_records.add(event_name="gen_ai.evaluation.result")
    answer = post(receiver, otlp.to_json(request), JSON, "/v1/logs").json()["partialSuccess"]
    assert answer["rejectedLogRecords"] == "1"
    assert "gen_ai.evaluation.name is missing" in answer["errorMessage"]
    assert "1 other log records were dropped" in answer["errorMessage"]
    assert [(score.trace_id, score.name, score.value) for score in receiver.scores] == [
        ("000102030405060708090a0b0c0d0e0f", "Relevance", 0.75)
    ]
    assert receiver.counted() == {
        ("accepted_log_records", "http"): 1,
        ("refused_log_records", "http"): 1,
        ("dropped_log_records", "http"): 1,
    }


def test_a_score_alone_is_a_plain_success(receiver):
    answer = post(receiver, otlp.evaluation().SerializeToString(), path="/v1/logs")
    assert (answer.status_code, ExportLogsServiceResponse.FromString(answer.content)) == (
        200,
        ExportLogsServiceResponse(),
    )


def test_scores_that_cannot_be_stored_are_503(landed):
    def store(_scores):
        raise StoreUnavailable("gone")

    with running(landed, store_scores=store) as receiver:
        answer = post(receiver, otlp.evaluation().SerializeToString(), path="/v1/logs")
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        assert receiver.counted() == {("refused_log_records", "http"): 1}
