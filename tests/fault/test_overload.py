"""A generator that sends faster than the server can store is told to slow down, and costs bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from benchmarks.load import EXPORT, Answer, HttpConnection
from benchmarks.payload import SPANS_A_TRACE, Template, template
from tests.fault.sending import eventually, run_count, stored
from tests.serving import Server, serving

GIB = 1024 * 1024 * 1024
MOST_MEMORY = 1.2 * GIB
FLOOD_S = 60
SMALL_QUEUE = {
    "FLIGHTDECK_BATCH__MAX_BYTES": str(1024 * 1024),
    "FLIGHTDECK_BATCH__MAX_QUEUED_BYTES": str(4 * 1024 * 1024),
    "FLIGHTDECK_BATCH__MAX_QUEUED_REQUESTS": "8",
}


@dataclass
class Flood:
    """Connections that send without a pause, also after a refusal, until ``enough``; what they were told.

    Attributes:
        taken: traces that were acknowledged.
        answers: how often which answer came.
        wrong: refusals that lack what a client needs to come back, and answers that should not come.
    """

    server: Server
    enough: Callable[[Counter[str]], bool]
    taken: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def over_http(self, body: Template) -> None:
        where = urlsplit(self.server.otlp_http)
        while not self.enough(self.answers):
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # a refusal may hang up on a long body
                async with HttpConnection(where.hostname, where.port, "/v1/traces", "application/x-protobuf") as http:
                    while not self.enough(self.answers):
                        self._note_http(await http.post(body.fresh()), body)

    def _note_http(self, answer: Answer, body: Template) -> None:
        self.answers[str(answer.status)] += 1
        if answer.status == 200:
            self.taken += body.spans // SPANS_A_TRACE
        elif answer.status != 429 or not answer.headers.get("retry-after", "").isdecimal():
            self.wrong.append(repr(answer))
        elif Status.FromString(answer.content).code != grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]:
            self.wrong.append(f"429 with the body {answer.content!r}")

    async def over_grpc(self, body: Template) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        where = self.server.otlp_grpc.removeprefix("http://")
        async with grpc.aio.insecure_channel(where, options=options) as channel:
            export = channel.unary_unary(EXPORT)
            while not self.enough(self.answers):
                try:
                    await export(body.fresh(), timeout=60)
                except grpc.aio.AioRpcError as error:
                    self.answers[error.code().name] += 1
                    if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED or not all(_retry_infos(error)):
                        self.wrong.append(repr(error))
                else:
                    self.answers["OK"] += 1
                    self.taken += body.spans // SPANS_A_TRACE

    async def run(self, bodies: list[Template], connections: int) -> None:
        """Sends over so many connections, half of them HTTP, half gRPC, in turn each of the bodies."""
        async with asyncio.timeout(FLOOD_S), asyncio.TaskGroup() as tasks:
            for number in range(connections):
                over = (self.over_http, self.over_grpc)[number % 2]
                tasks.create_task(over(bodies[number // 2 % len(bodies)]))


def all_kinds(answers: Counter[str]) -> bool:
    """Both protocols were answered both ways, often enough to fill every queue."""
    return all(answers[answer] >= 20 for answer in ("200", "429", "OK", "RESOURCE_EXHAUSTED"))


def both_taken(answers: Counter[str]) -> bool:
    return min(answers["200"], answers["OK"]) > 0


def _retry_infos(error: grpc.aio.AioRpcError) -> tuple[bool, bool]:
    """Whether a delay stands in each trailer: Python's exporter reads one, Go's and the Collector's the other."""
    trailers = dict(error.trailing_metadata() or ())
    plain = RetryInfo.FromString(trailers.get("google.rpc.retryinfo-bin", b""))
    status = Status.FromString(trailers.get("grpc-status-details-bin", b""))
    detailed = RetryInfo()
    found = any(detail.Unpack(detailed) for detail in status.details)
    return plain.retry_delay.ToMilliseconds() > 0, found and detailed.retry_delay.ToMilliseconds() > 0


def peak_memory(server: Server) -> int:
    """The most that the server's process ever held, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "connections", "bodies"),
    [
        pytest.param(SMALL_QUEUE, 24, [(100, True), (100, False)], id="small-queue"),
        pytest.param({}, 192, [(500, False)], id="defaults"),
    ],
)
def test_a_flood_is_refused_as_otlp_says_and_the_server_recovers(tmp_path, settings, connections, bodies):
    """429 with Retry-After, RESOURCE_EXHAUSTED with RetryInfo; less than 1.2 GiB; what was taken becomes runs."""
    release = "rel_flood0000000"
    requests = [template(spans, lean=lean, release_id=release) for spans, lean in bodies]
    with serving(tmp_path, env={"FLIGHTDECK_SETTLE": "1", **settings}) as server:
        flood = Flood(server, all_kinds)
        asyncio.run(flood.run(requests, connections))
        assert flood.wrong == []

        after = Flood(server, both_taken)
        asyncio.run(after.run(requests, 2))
        assert set(after.answers) == {"200", "OK"}, "it accepts again, by itself"

        taken = flood.taken + after.taken
        eventually(lambda: run_count(server, release) >= taken, within_s=60, what=f"{taken} runs")
        assert peak_memory(server) < MOST_MEMORY
        assert server.stop()[0] == 0
    found = stored(tmp_path)
    assert len(found.runs) >= taken
    assert set(found.runs.values()) == {1}
