"""Where ``FLIGHTDECK_LOCAL_API_TOKEN`` goes, read off the wire: to the server's own address, and to no other."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest

from flightdeck.demo.processes import instrument_command
from flightdeck.otel.instrumentation.exporter import RunExporter
from flightdeck.otel.instrumentation.settings import AgentSettings
from tests.fault.endpoint import RELEASE, agent_environment
from tests.serving import command

TOKEN = "hush-1f6d"
BEARER = f"Bearer {TOKEN}"
SIGNALS = {"traces", "logs", "metrics"}

AGENT = """
import flightdeck.otel
from opentelemetry import metrics
with flightdeck.otel.run(task_id="refund"):
    flightdeck.otel.score("helpfulness", 0.5)
metrics.get_meter("x").create_counter("calls").add(1)
"""
CONFIGURE = "import flightdeck.otel\nflightdeck.otel.configure(instrument=False)\n"
OWN_EXPORTER = """
import os
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
exporter = OTLPSpanExporter(endpoint=os.environ["ELSEWHERE"] + "/v1/traces")
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
"""
METRICS = {"OTEL_METRICS_EXPORTER": "otlp"}
HTTP = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}


@dataclass
class Sink:
    """What has arrived: of each request its last word (the signal, over HTTP) and its headers."""

    url: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def authorizations(self) -> dict[str, set[str]]:
        """What each signal's requests showed."""
        found: dict[str, set[str]] = {}
        for signal, headers in self.requests:
            found.setdefault(signal, set()).add(headers.get("authorization", ""))
        return found

    def knows_nothing(self) -> bool:
        """Whether requests came, and none of them held the token."""
        return bool(self.requests) and TOKEN not in json.dumps(self.requests)


@contextmanager
def sink() -> Iterator[Sink]:
    """Takes whatever is posted."""
    state = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            given = {name.lower(): value for name, value in self.headers.items()}
            state.requests.append((self.path.rpartition("/")[2], given))
            self._answer(b'{"inserted": 1, "duplicates": 0, "conflicts": 0}' if self.path == "/v1/events" else b"")

        def do_GET(self) -> None:
            self._answer(json.dumps({"releases": [RELEASE]}).encode())

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def grpc_sink() -> Iterator[Sink]:
    """The same over gRPC: an empty answer is each service's."""
    state = Sink()

    class Anything(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            service = details.method.split("/")[1].rpartition(".")[2].removesuffix("Service").lower()
            signal = {"trace": "traces"}.get(service, service)
            state.requests.append((signal, {str(key): str(value) for key, value in details.invocation_metadata}))
            return grpc.unary_unary_rpc_method_handler(lambda *_: b"")

    server = grpc.server(ThreadPoolExecutor(4), handlers=(Anything(),))
    state.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield state
    finally:
        server.stop(None).wait()


def shown(signals: set[str]) -> dict[str, set[str]]:
    """The token, and nothing else, with each of the signals."""
    return {signal: {BEARER} for signal in signals}


def start(way: str, program: str, ours: Sink, **env: str) -> None:
    """Runs an agent to its end that reports to ``ours`` with the token."""
    python = [sys.executable, "-c", program]
    commands = {
        "zero code": [str(instrument_command()), *python],
        "run": command("run", "--release", RELEASE["release_id"], "--", *python),
        "configure": [sys.executable, "-c", CONFIGURE + program],
    }
    given = {
        "FLIGHTDECK_LOCAL_API_TOKEN": TOKEN,
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_PYTHON_DISTRO": "flightdeck",
        "OTEL_PYTHON_CONFIGURATOR": "flightdeck",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
    }
    done = subprocess.run(
        commands[way],
        env=agent_environment(ours.url, **(given | env)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr


@pytest.fixture
def ours() -> Iterator[Sink]:
    with sink() as state:
        yield state


@pytest.fixture
def elsewhere() -> Iterator[Sink]:
    with sink() as state:
        yield state


@pytest.mark.parametrize("way", ["zero code", "run", "configure"])
def test_the_server_s_own_address_gets_it_with_every_signal(ours, way):
    start(way, AGENT, ours, **METRICS)
    assert ours.authorizations() == shown(SIGNALS)


def test_the_short_set_up_and_a_provider_of_the_program_s_own_give_it_too(ours):
    start("configure", AGENT, ours)
    assert ours.authorizations() == shown({"traces", "logs"})
    ours.requests.clear()
    provider = (
        "from opentelemetry import trace\nfrom opentelemetry.sdk.trace import TracerProvider\n"
        "trace.set_tracer_provider(TracerProvider())\n"
    )
    python = [sys.executable, "-c", provider + CONFIGURE + AGENT]
    env = agent_environment(ours.url, FLIGHTDECK_LOCAL_API_TOKEN=TOKEN)
    subprocess.run(python, env=env, check=True, timeout=60)
    assert ours.authorizations() == shown({"traces", "logs"})


@pytest.mark.parametrize("way", ["zero code", "configure"])
def test_over_grpc_the_server_s_own_address_gets_it_and_another_does_not(way):
    over = METRICS | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    with grpc_sink() as ours, grpc_sink() as elsewhere:
        start(way, AGENT, ours, OTEL_EXPORTER_OTLP_ENDPOINT=ours.url, OTEL_EXPORTER_OTLP_HEADERS="a=b", **over)
        assert ours.authorizations() == shown(SIGNALS)
        assert {headers["a"] for _, headers in ours.requests} == {"b"}
        start(way, AGENT, ours, OTEL_EXPORTER_OTLP_ENDPOINT=elsewhere.url, **over)
        assert elsewhere.authorizations().keys() == SIGNALS
        assert elsewhere.knows_nothing()


@pytest.mark.parametrize("way", ["zero code", "configure"])
@pytest.mark.parametrize("signal", sorted(SIGNALS))
def test_an_endpoint_of_one_signal_does_not_get_it(ours, elsewhere, way, signal):
    endpoint = {f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT": f"{elsewhere.url}/v1/{signal}"}
    # Where spans go elsewhere, nothing is set for the others: they are sent where the user says.
    general = {"OTEL_EXPORTER_OTLP_ENDPOINT": ours.url} if signal == "traces" else {}
    start(way, AGENT, ours, **METRICS, **HTTP, **endpoint, **general)
    assert elsewhere.authorizations().keys() == {signal}
    assert elsewhere.knows_nothing()
    assert ours.authorizations() == shown(SIGNALS - {signal})


@pytest.mark.parametrize("way", ["zero code", "run", "configure"])
@pytest.mark.parametrize("exporter", ["otlp", "flightdeck"])
def test_an_exporter_that_the_agent_makes_itself_does_not_send_it(ours, elsewhere, way, exporter):
    start(way, OWN_EXPORTER + AGENT, ours, ELSEWHERE=elsewhere.url, OTEL_TRACES_EXPORTER=exporter)
    assert elsewhere.knows_nothing()
    assert ours.authorizations()["traces" if exporter == "otlp" else "events"] == {BEARER}


def test_an_endpoint_in_a_configuration_file_gets_what_the_file_says(ours, elsewhere, tmp_path):
    pytest.importorskip("opentelemetry.configuration")
    header = "{name: authorization, value: 'Bearer ${FLIGHTDECK_LOCAL_API_TOKEN}'}"
    exporters = (
        f"{{endpoint: '{elsewhere.url}/v1/traces'}}",
        f"{{endpoint: '{ours.url}/v1/traces', headers: [{header}]}}",
    )
    lines = [f"    - simple: {{exporter: {{otlp_http: {exporter}}}}}\n" for exporter in exporters]
    file = tmp_path / "otel.yaml"
    file.write_text('file_format: "1.0"\ntracer_provider:\n  processors:\n' + "".join(lines))
    start("zero code", AGENT, ours, OTEL_CONFIG_FILE=str(file))
    assert elsewhere.knows_nothing()
    assert ours.authorizations() == shown({"traces"})


@pytest.mark.parametrize(
    ("environ", "options", "token"),
    [
        ({"url": "http://fd"}, {"url": "http://elsewhere"}, ""),
        ({"url": "http://fd"}, {"url": "http://elsewhere", "api_token": "theirs"}, "theirs"),
        ({"url": "http://fd"}, {"url": "http://fd/"}, TOKEN),
        ({"url": "http://fd"}, {"agent_id": "support"}, TOKEN),
        ({}, {"url": "http://fd"}, TOKEN),
    ],
)
def test_the_run_exporter_of_a_configuration_file_keeps_it_from_another_url(environ, options, token):
    exporter = RunExporter(AgentSettings(**environ, api_token=TOKEN), **options)
    try:
        assert exporter.settings.api_token == token
    finally:
        exporter.shutdown()


def test_a_child_with_an_endpoint_of_its_own_does_not_send_it(ours, elsewhere):
    plain = OWN_EXPORTER.replace('endpoint=os.environ["ELSEWHERE"] + "/v1/traces"', "").replace(
        "exporter =",
        "from opentelemetry.sdk.trace import TracerProvider\ntrace.set_tracer_provider(TracerProvider())\nexporter =",
    )
    program = f"""
import os, subprocess, sys
for code in ({plain + AGENT!r}, {CONFIGURE + AGENT!r}):
    env = os.environ | {{"OTEL_EXPORTER_OTLP_ENDPOINT": os.environ["ELSEWHERE"]}}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
"""
    start("configure", program, ours, ELSEWHERE=elsewhere.url)
    assert len([signal for signal, _ in elsewhere.requests if signal == "traces"]) == 2
    assert elsewhere.knows_nothing()


def test_children_that_report_to_the_server_send_it(ours):
    program = f"""
import os, subprocess, sys
subprocess.run([sys.executable, "-c", {CONFIGURE + AGENT!r}], check=True)
if not (child := os.fork()):
    from opentelemetry import trace
    with flightdeck.otel.run(task_id="forked"): pass
    trace.get_tracer_provider().force_flush()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    start("configure", program, ours)
    assert len([signal for signal, _ in ours.requests if signal == "traces"]) == 2
    assert ours.authorizations() == shown({"traces", "logs"})


@pytest.mark.parametrize("way", ["zero code", "configure"])
def test_headers_of_the_user_go_beside_it_unless_they_authorize_themselves(ours, way):
    start(way, AGENT, ours, OTEL_EXPORTER_OTLP_HEADERS="x-team=a")
    assert {(headers["x-team"], headers["authorization"]) for _, headers in ours.requests} == {("a", BEARER)}
    ours.requests.clear()
    start(way, AGENT, ours, OTEL_EXPORTER_OTLP_HEADERS="Authorization=Basic%20x")
    assert {headers["authorization"] for _, headers in ours.requests} == {"Basic x"}
