"""OTLP/gRPC, clause by clause of the specification, against the running receiver."""

from __future__ import annotations

import asyncio
import resource
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_status import rpc_status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from flightdeck.errors import Invalid, Misconfigured, StoreUnavailable
from flightdeck.otel.receiver import Receiver
from flightdeck.otel.receiver import grpc as otlp_grpc
from flightdeck.otel.receiver.receiver import MIB
from flightdeck.settings import BatchSettings, GrpcSettings, TlsSettings
from tests import otlp
from tests.contract.otlp_receiver import PATIENCE_S, Landed, running

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture
def landed():
    return Landed()


@pytest.fixture
def receiver(landed):
    with running(landed) as receiver:
        yield receiver


@pytest.fixture
def channel(receiver):
    with grpc.insecure_channel(receiver.grpc) as channel:
        yield channel


def export(channel, request, **kwargs):
    return TraceServiceStub(channel).Export(request, timeout=PATIENCE_S, **kwargs)


def refused(channel, request, **kwargs):
    with pytest.raises(grpc.RpcError) as caught:
        export(channel, request, **kwargs)
    return caught.value


def raw(channel, body, method=EXPORT):
    return channel.unary_unary(method)(body, timeout=PATIENCE_S)


def test_a_stored_request_is_answered_with_an_empty_message(channel, landed):
    assert export(channel, otlp.traces(otlp.span())) == ExportTraceServiceResponse()
    assert len(landed.batches) == 1


def test_the_answer_comes_after_the_commit(channel, landed):
    landed.open.clear()
    call = TraceServiceStub(channel).Export.future(otlp.traces(otlp.span()), timeout=PATIENCE_S)
    assert landed.entered.acquire(timeout=PATIENCE_S)
    assert not call.done()
    landed.open.set()
    assert call.result(PATIENCE_S) == ExportTraceServiceResponse()


def test_rejected_spans_are_named_and_the_others_stored(channel, landed):
    good = otlp.span()
    partial = export(channel, otlp.traces(otlp.span(span_id=b"x"), good)).partial_success
    assert partial.rejected_spans == 1
    assert "1 because the span id has 1 bytes instead of 8" in partial.error_message
    assert good.span_id in landed.batches[0]


@pytest.mark.parametrize("coding", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages_are_read(receiver, landed, coding):
    request = otlp.traces(otlp.span(name="x" * 10_000))
    with grpc.insecure_channel(receiver.grpc, compression=coding) as channel:
        assert export(channel, request) == ExportTraceServiceResponse()
    assert request.resource_spans[0].scope_spans[0].spans[0].span_id in landed.batches[0]


FLOOD = """
import concurrent.futures, sys, grpc
options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
channels = [grpc.insecure_channel(sys.argv[1], options=options) for _ in range(2)]
body = bytes(40 << 20)
calls = [channel.unary_unary(sys.argv[2]).future(body, timeout=60) for channel in channels for _ in range(6)]
print({call.exception().code().name for call in calls})
"""


def test_who_may_not_send_is_told_before_the_body_is_taken_in(landed):
    """Twelve times 40 MiB, without a token, cost next to nothing: they stay where they are."""
    with running(landed, token="tok") as receiver:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        flood = [sys.executable, "-c", FLOOD, receiver.grpc, EXPORT]
        said = subprocess.run(flood, capture_output=True, text=True, timeout=90, check=True)
        assert said.stdout.strip() == "{'UNAUTHENTICATED'}"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB


def test_bodies_of_admitted_callers_arrive_a_few_at_a_time(receiver):
    """Each may be 64 MiB, and gRPC tells its size only when it is there. Those that wait are not lost."""
    never_ending = threading.Event()

    def stalled():
        never_ending.wait(PATIENCE_S)
        yield from ()

    with grpc.insecure_channel(receiver.grpc) as slow, grpc.insecure_channel(receiver.grpc) as channel:
        calls = [slow.stream_unary(EXPORT).future(stalled()) for _ in range(otlp_grpc.READING_AT_ONCE)]
        HealthStub(slow).Check(HealthCheckRequest(), timeout=PATIENCE_S)
        waiting = TraceServiceStub(channel).Export.future(otlp.traces(otlp.span()), timeout=PATIENCE_S)
        with pytest.raises(grpc.FutureTimeoutError):
            waiting.result(0.3)
        never_ending.set()
        assert waiting.result(PATIENCE_S) == ExportTraceServiceResponse()
        assert {call.exception(PATIENCE_S).code() for call in calls} == {grpc.StatusCode.INVALID_ARGUMENT}


@pytest.mark.parametrize("service", ["trace.v1.TraceService", "logs.v1.LogsService", "metrics.v1.MetricsService"])
def test_bytes_that_cannot_be_read_are_invalid_argument_with_a_status(channel, landed, service):
    with pytest.raises(grpc.RpcError) as caught:
        raw(channel, b"hello", f"/opentelemetry.proto.collector.{service}/Export")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "can't be read as protobuf" in caught.value.details()
    assert rpc_status.from_call(caught.value).message == caught.value.details()
    assert landed.batches == []


def test_bytes_that_the_store_refuses_are_invalid_argument(channel, landed):
    landed.error = Invalid("The spans can't be read.")
    error = refused(channel, otlp.traces(otlp.span()))
    assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "The spans can't be read.")


def retry_info(error):
    """RetryInfo as exporters find it: in the status details (Go, the Collector), and in a trailer (Python)."""
    (detail,) = rpc_status.from_call(error).details
    in_details = RetryInfo()
    assert detail.Unpack(in_details)
    in_trailer = RetryInfo.FromString(dict(error.trailing_metadata())["google.rpc.retryinfo-bin"])
    assert in_details == in_trailer
    return in_details.retry_delay.ToMilliseconds()


def test_a_full_queue_is_resource_exhausted_with_retry_info(landed):
    with (
        running(landed, batch=BatchSettings(wait_ms=0, max_queued_requests=1)) as receiver,
        grpc.insecure_channel(receiver.grpc) as channel,
        ThreadPoolExecutor(1) as pool,
    ):
        landed.open.clear()
        first = pool.submit(export, channel, otlp.traces(otlp.span()))
        assert landed.entered.acquire(timeout=PATIENCE_S)
        error = refused(channel, otlp.traces(otlp.span()))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert retry_info(error) == 1000
        landed.open.set()
        assert first.result(PATIENCE_S) == ExportTraceServiceResponse()
        assert receiver.counted() == {("accepted_spans", "grpc"): 1, ("refused_spans", "grpc"): 1}


def test_too_many_bytes_at_once_are_resource_exhausted_with_retry_info(landed):
    with (
        running(landed, held_bytes=2 * MIB) as receiver,
        grpc.insecure_channel(receiver.grpc) as channel,
        ThreadPoolExecutor(1) as pool,
    ):
        large = otlp.traces(otlp.span(name="x" * (MIB + 1)))
        landed.open.clear()
        first = pool.submit(export, channel, large)
        assert landed.entered.acquire(timeout=PATIENCE_S)
        error = refused(channel, large)
        assert (error.code(), retry_info(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 1000)
        landed.open.set()
        first.result(PATIENCE_S)
        export(channel, large)


def test_a_store_that_does_not_answer_is_unavailable_with_retry_info(channel, landed):
    landed.error = StoreUnavailable("ClickHouse does not answer.", retry_after_s=2.5)
    error = refused(channel, otlp.traces(otlp.span()))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "ClickHouse does not answer.")
    assert retry_info(error) == 2500


def test_a_fault_of_ours_is_internal_without_its_text(channel, landed):
    landed.error = RuntimeError("secret")
    error = refused(channel, otlp.traces(otlp.span()))
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "Internal error; the server's log says more.")


def test_a_cancelled_call_is_not_landed(channel, landed):
    landed.open.clear()
    first = TraceServiceStub(channel).Export.future(otlp.traces(otlp.span()), timeout=PATIENCE_S)
    assert landed.entered.acquire(timeout=PATIENCE_S)
    gone = otlp.span()
    second = TraceServiceStub(channel).Export.future(otlp.traces(gone), timeout=0.2)
    with pytest.raises(grpc.RpcError) as caught:
        second.result(PATIENCE_S)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    HealthStub(channel).Check(HealthCheckRequest(), timeout=PATIENCE_S)  # the cancellation came first, on the same line
    landed.open.set()
    first.result(PATIENCE_S)
    export(channel, otlp.traces(otlp.span()))
    assert all(gone.span_id not in batch for batch in landed.batches)


def test_a_message_over_the_bound_is_refused_without_an_invitation_to_repeat(landed):
    with running(landed, max_bytes=MIB) as receiver, grpc.insecure_channel(receiver.grpc) as channel:
        error = refused(channel, otlp.traces(otlp.span(name="x" * MIB)))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "google.rpc.retryinfo-bin" not in dict(error.trailing_metadata() or ())
        assert export(channel, otlp.traces(otlp.span())) == ExportTraceServiceResponse()


BOMBER = """
import sys, grpc
channel = grpc.insecure_channel(sys.argv[1], compression=grpc.Compression.Gzip)
try:
    channel.unary_unary(sys.argv[2])(bytes(400 << 20), timeout=60)
except grpc.RpcError as error:
    print(error.code().name)
"""


def test_a_bomb_is_refused_and_never_unpacked(landed):
    """400 MiB in a few hundred KB: gRPC itself must stop at the bound, so this guards its version too."""
    with running(landed, max_bytes=MIB) as receiver:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        said = subprocess.run(
            [sys.executable, "-c", BOMBER, receiver.grpc, EXPORT],
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        )
        assert said.stdout.strip() == "RESOURCE_EXHAUSTED"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
    assert landed.batches == []


def test_with_a_token_its_bearer_is_required_in_the_metadata(landed):
    with running(landed, token="tok") as receiver, grpc.insecure_channel(receiver.grpc) as channel:
        for metadata in ((), (("authorization", "Bearer other"),), (("authorization", "tok"),)):
            error = refused(channel, otlp.traces(otlp.span()), metadata=metadata)
            assert error.code() == grpc.StatusCode.UNAUTHENTICATED
            assert "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN" in error.details()
        assert landed.batches == []
        for scheme in ("Bearer", "bearer"):
            export(channel, otlp.traces(otlp.span()), metadata=(("authorization", f"{scheme} tok"),))
        assert len(landed.batches) == 2


@pytest.mark.parametrize(
    "service",
    ["", "opentelemetry.proto.collector.trace.v1.TraceService", "opentelemetry.proto.collector.logs.v1.LogsService"],
)
def test_the_health_service_says_serving_also_without_a_token(landed, service):
    with running(landed, token="tok") as receiver, grpc.insecure_channel(receiver.grpc) as channel:
        health = HealthStub(channel)
        assert (
            health.Check(HealthCheckRequest(service=service), timeout=PATIENCE_S).status == HealthCheckResponse.SERVING
        )
        watch = health.Watch(HealthCheckRequest(service=service), timeout=PATIENCE_S)
        assert next(watch).status == HealthCheckResponse.SERVING
        watch.cancel()


def test_the_health_of_a_service_that_is_not_ours_is_not_found(channel):
    with pytest.raises(grpc.RpcError) as caught:
        HealthStub(channel).Check(HealthCheckRequest(service="other"), timeout=PATIENCE_S)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_a_method_that_is_not_ours_is_unimplemented(channel):
    with pytest.raises(grpc.RpcError) as caught:
        raw(channel, b"", "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_logs_and_metrics_have_their_services(channel, receiver):
    assert not LogsServiceStub(channel).Export(otlp.evaluation(), timeout=PATIENCE_S).HasField("partial_success")
    partial = MetricsServiceStub(channel).Export(otlp.metrics(3), timeout=PATIENCE_S).partial_success
    assert (partial.rejected_data_points, partial.error_message) == (
        0,
        "FlightDeck keeps no metrics: 3 data points were dropped.",
    )
    assert receiver.scores[0].name == "Relevance"
    assert receiver.counted() == {("accepted_log_records", "grpc"): 1, ("dropped_metric_points", "grpc"): 3}


def test_a_taken_port_is_misconfigured_and_never_shared(receiver):
    async def bind_twice():
        server = otlp_grpc.server(Receiver(None, None))
        with pytest.raises(Misconfigured, match="can't listen on"):
            otlp_grpc.bind(server, GrpcSettings(endpoint=receiver.grpc))
        await server.stop(0)

    asyncio.run(bind_twice())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command to make a certificate")
def test_with_certificate_and_key_it_speaks_tls(landed, tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 "
        f"-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout {key} -out {cert}"
    )
    subprocess.run(made.split(), check=True, capture_output=True)
    with running(landed, tls=TlsSettings(cert_file=cert, key_file=key)) as receiver:
        credentials = grpc.ssl_channel_credentials(cert.read_bytes())
        with grpc.secure_channel(receiver.grpc.replace("127.0.0.1", "localhost"), credentials) as channel:
            export(channel, otlp.traces(otlp.span()))
    assert len(landed.batches) == 1


def test_a_certificate_that_cannot_be_read_is_misconfigured(tmp_path):
    async def bind_with_nothing():
        server = otlp_grpc.server(Receiver(None, None))
        tls = TlsSettings(cert_file=tmp_path / "no.pem", key_file=tmp_path / "no.key")
        with pytest.raises(Misconfigured, match=r"no\.key"):
            otlp_grpc.bind(server, GrpcSettings(endpoint="127.0.0.1:0", tls=tls))
        await server.stop(0)

    asyncio.run(bind_with_nothing())
