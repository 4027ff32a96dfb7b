"""A FlightDeck server that misbehaves on purpose, over real sockets; and agents in processes of their own."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RELEASE = {
    "release_id": "rel_0123456789ab",
    "agent_id": "support",
    "version": "1.4.0",
    "created_at": "2026-01-01T00:00:00+00:00",
}


@dataclass
class Endpoint:
    """What has arrived. ``fault`` answers a POST instead of the server, and a GET too if ``fault_in_gets``."""

    url: str = ""
    run_ids: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    posts: int = 0
    otlp_posts: int = 0
    log_bodies: list[bytes] = field(default_factory=list)
    fault: Callable[[BaseHTTPRequestHandler], None] | None = None
    fault_in_gets: bool = False
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, true: Callable[[], bool], timeout_s: float = 20) -> None:
        """Until something has become true of what arrived."""
        with self.arrived:
            assert self.arrived.wait_for(true, timeout_s)


def answering(status: int, body: bytes = b"{}", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """A fault: always the same answer."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def garbage(handler: BaseHTTPRequestHandler) -> None:
    """A fault: bytes that are no HTTP."""
    handler.wfile.write(b"\x00\xff this is not HTTP\r\n\r\n")
    handler.close_connection = True


@contextmanager
def endpoint(fault: Callable[[BaseHTTPRequestHandler], None] | None = None) -> Iterator[Endpoint]:
    """The server, until the end of the block."""
    state = Endpoint(fault=fault)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if state.fault is not None and state.fault_in_gets:
                state.fault(self)
                return
            answering(200, json.dumps({"releases": [RELEASE]}).encode())(self)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with state.arrived:
                state.posts += 1
                state.arrived.notify_all()
            if state.fault is not None:
                state.fault(self)
                return
            if self.path == "/v1/traces":
                state.otlp_posts += 1
                answering(200, b"")(self)
                return
            plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            if self.path == "/v1/logs":
                state.log_bodies.append(plain)
                answering(200, b"")(self)
                return
            events = json.loads(plain)["events"]
            with state.arrived:
                new = [event for event in events if event["run_id"] not in state.run_ids]
                state.run_ids += [event["run_id"] for event in new]
                state.tasks += [event["task_id"] for event in new]
                state.arrived.notify_all()
            counts = {"inserted": len(new), "duplicates": len(events) - len(new), "conflicts": 0}
            answering(200, json.dumps(counts).encode())(self)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """An agent may hang up whenever it likes."""

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


AGENT = """
import json, sys, time
import flightdeck.otel
from opentelemetry import trace

flightdeck.otel.configure(export="runs", instrument=False)

def answer(task):
    with flightdeck.otel.run(task_id=task):
        flightdeck.otel.record_llm_call(provider="openai", model="gpt-4.1", input_tokens=7, output_tokens=1)

def end():
    "Ends as the interpreter would, but tells how long it took and what was lost."
    begin = time.monotonic()
    trace.get_tracer_provider().shutdown()
    took = time.monotonic() - begin
    print(json.dumps({"took": took, "counters": flightdeck.otel.counters(), "losses": flightdeck.otel.losses()}))
"""


def agent_environment(url: str, **env: str) -> dict[str, str]:
    """The environment of an agent that reports to ``url``; patient at its end, however busy this machine is."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FLIGHTDECK_", "OTEL_"))}
    clean["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), clean.get("PYTHONPATH"))))
    own = {"FLIGHTDECK_URL": url, "FLIGHTDECK_RELEASE_ID": RELEASE["release_id"], "OTEL_LOGS_EXPORTER": "none"}
    own["FLIGHTDECK_SHUTDOWN_S"] = "20"
    return {**clean, **own, **env}


def agent(program: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs ``AGENT`` and then a program to its end."""
    return subprocess.run(
        [sys.executable, "-c", AGENT + program], env=dict(env), capture_output=True, text=True, timeout=60, check=False
    )


def agent_process(program: str, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """The same as a process that goes on; its standard output is a pipe."""
    return subprocess.Popen([sys.executable, "-c", AGENT + program], env=dict(env), stdout=subprocess.PIPE, text=True)
