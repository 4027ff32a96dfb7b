"""The served ClickHouse goes away and comes back: senders are asked to repeat, and nothing acknowledged is lost."""

from __future__ import annotations

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

from tests.fault.sending import (
    PROTOBUF,
    agent_traces,
    all_are_runs,
    eventually,
    missing,
    run_events,
    sending,
    stored,
)
from tests.served_clickhouse import Unavailable, free_port, served
from tests.serving import Server, serving


def refusals(server: Server) -> dict[str, object]:
    """What spans over both protocols and native events are answered."""
    request = agent_traces(1)
    spans = httpx.post(
        f"{server.otlp_http}/v1/traces", content=request.SerializeToString(), headers=PROTOBUF, timeout=30
    )
    events = httpx.post(f"{server.url}/v1/events", json={"events": run_events(1)}, timeout=30)
    with grpc.insecure_channel(server.otlp_grpc.removeprefix("http://")) as channel:
        try:
            TraceServiceStub(channel).Export(request, timeout=30)
            code = grpc.StatusCode.OK
        except grpc.RpcError as error:
            code = error.code()
    return {"http": spans.status_code, "events": events.status_code, "grpc": code}


@pytest.mark.slow
def test_while_the_store_is_away_senders_are_asked_to_repeat_and_after_it_all_is_there(tmp_path):
    port = free_port()
    try:
        with served(tmp_path / "clickhouse", port=port) as clickhouse:
            env = {"FLIGHTDECK_SETTLE": "1", "FLIGHTDECK_STORE__DSN": clickhouse.database()}
            with serving(tmp_path, env=env) as server, sending(server) as senders:
                acknowledged = senders.acknowledged
                eventually(lambda: acknowledged.each(100), within_s=60, what="100 acknowledged of each kind")
                clickhouse.kill()
                eventually(
                    lambda: acknowledged.refusals["503"] > 2 and acknowledged.refusals["UNAVAILABLE"] > 2,
                    within_s=60,
                    what="refusals over HTTP and gRPC",
                )
                assert refusals(server) == {"http": 503, "events": 503, "grpc": grpc.StatusCode.UNAVAILABLE}
                assert server.process.poll() is None
                before = acknowledged.runs
                with served(tmp_path / "clickhouse", port=port):
                    eventually(lambda: acknowledged.runs > before + 300, within_s=60, what="work goes on")
                    senders.stop()
                    senders.finished()
                    eventually(
                        lambda: all_are_runs(server, acknowledged),
                        within_s=60,
                        what="a run for all that was acknowledged",
                    )
                    assert server.stop()[0] == 0
                    assert missing(acknowledged, stored(tmp_path, env)) == {}
    except Unavailable as reason:
        pytest.skip(f"no served ClickHouse: {reason}")
