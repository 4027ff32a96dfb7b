"""A load generator for loopback: ``python -m benchmarks.load --help``. Prints one JSON line.

Closed loop: every connection sends, waits for the answer, sends the next; so the receiver's speed sets the pace. A
refusal (429, RESOURCE_EXHAUSTED) is counted and waited out as the answer says.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

import grpc

from benchmarks.payload import Events, Template, events, template

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
STARTED = time.monotonic()
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass
class Tally:
    """What came back."""

    requests: int = 0
    spans: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; the names of ``headers`` are lower-case."""

    status: int
    headers: dict[str, str]
    content: bytes


class HttpConnection:
    """One HTTP/1.1 keep-alive connection that posts; an async context manager."""

    def __init__(self, host: str, port: int, path: str, content_type: str) -> None:
        self._where = host, port
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nContent-Length: %d\r\n\r\n"
        ).encode()

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(*self._where, limit=1 << 20)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._writer.close()

    async def post(self, content: bytes) -> Answer:
        """Sends a body and waits for the answer. Raises OSError or IncompleteReadError when the server hangs up."""
        self._writer.write(self._head % len(content))
        self._writer.write(content)
        await self._writer.drain()
        first, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(first.split(" ", 2)[1]), headers, body)


async def http_connection(host: str, port: int, body: Template | Events, until: float, tally: Tally) -> None:
    """Sends over one HTTP connection."""
    what = ("/v1/events", "application/json") if isinstance(body, Events) else ("/v1/traces", "application/x-protobuf")
    async with HttpConnection(host, port, *what) as connection:
        while time.monotonic() < until:
            content = body.fresh()
            began = time.perf_counter()
            answer = await connection.post(content)
            retry = float(answer.headers.get("retry-after", 1))
            await _count(tally, body, str(answer.status), answer.status == 200, began, retry)


async def grpc_connection(host: str, port: int, body: Template | Events, until: float, tally: Tally) -> None:
    """One gRPC channel of its own."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(f"{host}:{port}", options=options) as channel:
        export = channel.unary_unary(EXPORT)
        while time.monotonic() < until:
            content = body.fresh()
            began = time.perf_counter()
            try:
                await export(content, timeout=60)
                await _count(tally, body, "OK", True, began, 0)
            except grpc.aio.AioRpcError as error:
                await _count(tally, body, error.code().name, False, began, 1.0)


async def _count(tally: Tally, body: Template | Events, answer: str, taken: bool, began: float, retry_s: float) -> None:
    tally.requests += 1
    tally.answers[answer] += 1
    if taken:
        tally.spans += body.spans
        tally.latencies_ms.append((time.perf_counter() - began) * 1000)
    else:
        await asyncio.sleep(min(retry_s, 5))


async def run(options: argparse.Namespace) -> dict[str, object]:
    """Sends for the given time over the given connections and sums up."""
    where = urlsplit(options.target)
    if where.hostname not in LOOPBACK or where.port is None:
        raise SystemExit(f"{options.target}: load goes to loopback only, like http://127.0.0.1:4318")
    body: Template | Events = template(options.spans, lean=options.lean, release_id=options.release[0])
    if options.events:
        body = events(options.events, options.release)
    tally = Tally()
    connect = grpc_connection if where.scheme == "grpc" else http_connection
    began = time.monotonic()
    until = began + options.seconds
    await asyncio.gather(*(connect(where.hostname, where.port, body, until, tally) for _ in range(options.connections)))
    seconds = time.monotonic() - began
    took = sorted(tally.latencies_ms)
    return {
        "start_s": round(began - STARTED, 3),  # of this process, before it sent anything
        "seconds": round(seconds, 3),
        "requests": tally.requests,
        "spans": tally.spans,  # or events
        "spans_per_s": round(tally.spans / seconds),
        "answers": dict(tally.answers),
        "p50_ms": round(statistics.median(took), 2) if took else None,
        "p99_ms": round(took[int(len(took) * 0.99)], 2) if took else None,
        "span_bytes": round(len(body.body) / body.spans),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("target", help="http://127.0.0.1:4318 or grpc://127.0.0.1:4317")
    add("--connections", type=int, default=64)
    add("--seconds", type=float, default=8)
    add("--spans", type=int, default=500, help="spans a request (%(default)s)")
    add("--lean", action="store_true", help="spans of 0.66 kB instead of 3.2 kB")
    add("--events", type=int, default=0, help="send native events instead, so many a request")
    add("--release", nargs="+", default=["rel_bench0000000"])
    print(json.dumps(asyncio.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
