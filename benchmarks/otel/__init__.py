"""What FlightDeck costs inside an agent, beside the plain SDK with its OTLP/HTTP exporter, alternating in one run."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figures import Figures, medians, ratio, spread, table
from benchmarks.measured import say

RELEASES = {
    "releases": [
        {
            "release_id": "rel_0123456789ab",
            "agent_id": "support",
            "version": "1",
            "created_at": "2026-01-01T00:00:00+00:00",
        }
    ]
}
SIDES = ("plain", "spans", "runs")
IMPORTS = {
    "python": "pass",
    "plain": (
        "from opentelemetry import trace\n"
        "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import BatchSpanProcessor\n"
        "provider = TracerProvider()\n"
        "provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))\n"
        "trace.set_tracer_provider(provider)\n"
    ),
    "spans": "import flightdeck.otel\nflightdeck.otel.configure(instrument=False)\n",
    "runs": "import flightdeck.otel\nflightdeck.otel.configure(export='runs', instrument=False)\n",
}
ZERO = {
    "standard distribution": {"OTEL_PYTHON_DISTRO": "distro", "OTEL_PYTHON_CONFIGURATOR": "configurator"},
    "zero code": {"OTEL_PYTHON_DISTRO": "flightdeck", "OTEL_PYTHON_CONFIGURATOR": "flightdeck"},
}
"""``opentelemetry-instrument``, all instrumentations off: with opentelemetry-distro if it is installed, with ours."""

_ZERO = {
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "none",
}
# The end is not what is measured here, and the lists of modules must come before it.
_SERVER = {"clickhouse_connect", "chdb", "fastapi", "starlette", "uvicorn", "sqlalchemy", "scipy", "numpy"}
_TELL = (
    "\nimport sys, os\nprint(*({m.partition('.')[0] for m in sys.modules} & {asked}))\nsys.stdout.flush()\nos._exit(0)"
)


def measure(*, quick: bool) -> dict[str, Any]:
    """Every figure of every round."""
    rounds = 3 if quick else 5
    with sink() as alive, sink(pause_s=2.0) as slow:
        found: dict[str, Any] = {"starts": _starts(5 if quick else 11, alive)}
        say("CPU and memory")
        runs = 300 if quick else 1500
        found["work"] = {side: [] for side in SIDES}
        for number in range(rounds):
            for side in _order(SIDES, number):
                found["work"][side].append(_agent(side, runs, 0, alive))
        say("what a dead endpoint or a slow one costs in CPU")
        urls = {"alive": alive, "dead": f"http://127.0.0.1:{_closed_port()}", "slow": slow}
        found["faults_cpu"] = {f"{side} {state}": [] for side in ("spans", "runs") for state in urls}
        for number in range(rounds):
            for case in _order(list(found["faults_cpu"]), number):
                side, _, state = case.partition(" ")
                found["faults_cpu"][case].append(_agent(side, runs, 0, urls[state]))
        say("and in time, of an agent at work")
        cases = [("none", "alive"), *((side, state) for side in SIDES for state in urls)]
        found["faults"] = {f"{side} {state}": [] for side, state in cases}
        for number in range(rounds):
            for side, state in _order(cases, number):
                figures = _agent(side, 60 if quick else 200, 20, urls[state])
                found["faults"][f"{side} {state}"].append(figures)
    return found


def show(found: Mapping[str, Any]) -> str:
    """All of it as tables."""
    starts, work, faults = found["starts"], found["work"], found["faults"]
    bare = medians(starts["python"])["cpu_ms"]
    rows = []
    for side in (*SIDES, *(side for side in ZERO if side in starts)):
        base = "standard distribution" if side in ZERO and "standard distribution" in starts else "plain"
        own = [{"cpu_ms": one["cpu_ms"] - bare} for one in starts[side]]
        theirs = [{"cpu_ms": one["cpu_ms"] - bare} for one in starts[base]]
        times = ratio(own, theirs, "cpu_ms")
        most = f"{spread(starts[side], 'cpu_ms'):.2f}"
        rows.append([side, medians(own)["cpu_ms"], f"{times:.2f} of {base}", most, starts["server"][side] or "none"])
    parts = [table(["start: CPU of imports and set-up", "ms", "ratio", "spread", "server libraries"], rows)]
    rows = []
    for side in SIDES:
        told = medians(work[side])
        rows.append(
            [
                side,
                told["thread_us_per_span"],
                ratio(work[side], work["plain"], "thread_us_per_span"),
                told["process_s"],
                ratio(work[side], work["plain"], "process_s"),
                told["peak_mb"],
                ratio(work[side], work["plain"], "peak_mb"),
            ]
        )
    head = ["work", "µs/span on the agent's thread", "of plain", "process CPU s", "of plain", "peak MB", "of plain"]
    parts.append(table(head, rows))
    rows = []
    for case, rounds in found["faults_cpu"].items():
        alive = found["faults_cpu"][f"{case.partition(' ')[0]} alive"]
        over = (ratio(rounds, alive, "thread_us_per_span") - 1) * 100
        rows.append([case, medians(rounds)["thread_us_per_span"], over])
    parts.append(table(["endpoint", "µs/span on the agent's thread", "% over alive"], rows))
    rows = []
    for case, rounds in faults.items():
        told = medians(rounds)
        side = case.partition(" ")[0]
        against = faults["none alive"] if side == "none" else faults[f"{side} alive"]
        rows.append([case, told["wall_s"], (ratio(rounds, against, "wall_s") - 1) * 100, told["end_s"], told["lines"]])
    head = ["endpoint", "wall s", "% over alive", "s to shut down", "lines on stderr"]
    parts.append(table(head, rows))
    return "\n\n".join(parts)


def _order(items: Sequence[Any], number: int) -> Sequence[Any]:
    """Every other round the other way round, so that nobody always comes first."""
    return items if number % 2 == 0 else items[::-1]


def _environment(url: str = "") -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "FLIGHTDECK_"))}
    return clean | ({"FLIGHTDECK_URL": url, "FLIGHTDECK_RELEASE_ID": "rel_0123456789ab"} if url else {})


def _starts(rounds: int, url: str) -> dict[str, Any]:
    say("starts")
    instrument = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    tell = _TELL.replace("{asked}", repr(_SERVER))
    ways = {side: ([sys.executable, "-c", code + tell], {}) for side, code in IMPORTS.items()}
    for side, env in ZERO.items():
        if side == "zero code" or find_spec("opentelemetry.distro"):
            ways[side] = ([instrument, sys.executable, "-c", tell], env | _ZERO)
    found: dict[str, Any] = {side: [] for side in ways}
    found["server"] = {}
    # Compiled beforehand, as an agent's libraries are: else, where no bytecode is kept, the compiler is measured.
    with TemporaryDirectory() as bytecode:
        kept = _environment(url) | {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
        for command, env in ways.values():
            subprocess.run(command, env=kept | env, capture_output=True, check=True)
        for number in range(rounds):
            for side in _order(list(ways), number):
                command, env = ways[side]
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                began = time.perf_counter()
                done = subprocess.run(command, env=kept | env, capture_output=True, text=True, check=True)
                wall = time.perf_counter() - began
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                found[side].append({"cpu_ms": cpu * 1000, "wall_ms": wall * 1000})
                found["server"][side] = done.stdout.strip()
    return found


def _agent(side: str, runs: int, work_ms: float, url: str) -> Figures:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.otel.agent", side, str(runs), str(work_ms), url],
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    figures: Figures = json.loads(done.stdout)
    return figures | {"lines": float(len(done.stderr.splitlines()))}


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def sink(pause_s: float = 0.0) -> Iterator[str]:
    """An endpoint in a process of its own that takes everything, after a pause."""
    code = f"from benchmarks.otel import serve; serve({pause_s})"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield child.stdout.readline().strip()
    finally:
        child.kill()
        child.wait()


def serve(pause_s: float) -> None:
    """Takes spans and runs until it is killed; prints its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, body: bytes) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            threading.Event().wait(pause_s)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._answer(json.dumps(RELEASES).encode())

        def do_POST(self) -> None:
            self._answer(b"" if self.path == "/v1/traces" else b"{}")

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client may hang up."""

    server = Server(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
