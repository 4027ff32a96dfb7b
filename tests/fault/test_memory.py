"""What requests bring does not stay in memory once they are answered."""

from __future__ import annotations

import grpc
import httpx
import pytest

from benchmarks.load import EXPORT
from benchmarks.measured import memory_mb
from tests.fault.sending import PROTOBUF
from tests.otlp import attribute, span, traces
from tests.serving import Server, serving

MB = 1_000_000
REQUESTS = 60
BYTES = 10 * MB
LEFT_MB = 250
"""Of 600 MB that are sent: what the engine keeps at hand, and noise."""


def over_http(server: Server, body: bytes) -> None:
    with httpx.Client(base_url=server.otlp_http, headers=PROTOBUF, timeout=60) as client:
        for _ in range(REQUESTS):
            assert client.post("/v1/traces", content=body).status_code == 200


def over_grpc(server: Server, body: bytes) -> None:
    with grpc.insecure_channel(server.otlp_grpc.removeprefix("http://")) as channel:
        export = channel.unary_unary(EXPORT)
        for _ in range(REQUESTS):
            export(body, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("send", [over_http, over_grpc], ids=["http", "grpc"])
def test_bodies_are_freed_once_they_are_answered(tmp_path, send):
    body = traces(span(attributes=[attribute("gen_ai.input.messages", "a" * BYTES)])).SerializeToString()
    with serving(tmp_path) as server:
        before, _ = memory_mb(server.process.pid)
        send(server, body)
        after, _ = memory_mb(server.process.pid)
        assert after - before < LEFT_MB
