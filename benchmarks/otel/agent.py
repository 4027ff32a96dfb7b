"""One agent process: ``python -m benchmarks.otel.agent SIDE RUNS WORK_MS URL`` does its runs and prints what they cost.

SIDE is ``none`` (no telemetry), ``plain`` (the SDK and its OTLP/HTTP exporter, set up by hand), ``spans`` (FlightDeck's
distribution over the same OTLP/HTTP) or ``runs`` (FlightDeck's run exporter). A run is an agent span, four model calls
and four tools with the attributes that the GenAI conventions ask for; ``WORK_MS`` is slept and half of it computed.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import time
from pathlib import Path

SPANS_OF_A_RUN = 9
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4.1-mini",
    "gen_ai.response.model": "gpt-4.1-mini-2025-04-14",
    "gen_ai.response.id": "chatcmpl-0123456789",
    "gen_ai.usage.input_tokens": 1200,
    "gen_ai.usage.output_tokens": 80,
    "gen_ai.response.finish_reasons": ("stop",),
    "server.address": "api.openai.com",
    "server.port": 443,
}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look_up_order", "gen_ai.tool.call.id": "call_1"}
RUN = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.agent.name": "support",
    "flightdeck.task_id": "refund",
    "flightdeck.tenant_id": "acme",
    "gen_ai.conversation.id": "s-1",
}


def set_up(side: str, url: str) -> None:
    """Telemetry as this side has it."""
    if side == "plain":
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
        trace.set_tracer_provider(provider)
    elif side != "none":
        import flightdeck.otel

        os.environ["FLIGHTDECK_URL"] = url
        os.environ["FLIGHTDECK_RELEASE_ID"] = "rel_0123456789ab"
        flightdeck.otel.configure(export="runs" if side == "runs" else "spans", instrument=False)


def work(milliseconds: float) -> None:
    """Half of it computing, half of it waiting, as an agent does."""
    until = time.perf_counter() + milliseconds / 2000
    while time.perf_counter() < until:
        pass
    time.sleep(milliseconds / 2000)


def main() -> None:
    """The command line."""
    side, runs, work_ms, url = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    set_up(side, url)
    from opentelemetry import trace

    tracer = trace.get_tracer("agent")

    def one_run() -> None:
        with tracer.start_as_current_span("invoke_agent support", attributes=RUN):
            for _ in range(4):
                with tracer.start_as_current_span("chat gpt-4.1-mini") as span:
                    for key, value in CALL.items():
                        span.set_attribute(key, value)
                with tracer.start_as_current_span("execute_tool look_up_order", attributes=TOOL):
                    pass
            if work_ms:
                work(work_ms)

    for _ in range(min(20, runs)):  # warm
        one_run()
    thread, wall = time.thread_time(), time.perf_counter()
    for _ in range(runs):
        one_run()
    thread, wall = time.thread_time() - thread, time.perf_counter() - wall
    process = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    # Not ru_maxrss: that begins with what the parent had.
    peak = int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024 / 1e6
    ended = time.perf_counter()
    provider = trace.get_tracer_provider()
    if hasattr(provider, "shutdown"):
        provider.shutdown()
    figures = {
        "thread_us_per_span": thread / (runs * SPANS_OF_A_RUN) * 1e6,
        "wall_s": wall,
        "process_s": process,
        "peak_mb": peak,
        "end_s": time.perf_counter() - ended,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
