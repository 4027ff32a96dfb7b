"""Under the distribution every ``OTEL_*`` variable keeps its meaning and wins; so does the SDK's configuration file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flightdeck.demo.processes import environment, instrument_command
from tests.fault.endpoint import RELEASE, endpoint

PROGRAM = """
import json, os
import flightdeck.otel
from opentelemetry import propagate, trace
from opentelemetry._logs import get_logger_provider
with flightdeck.otel.run(task_id="refund", tenant_id="acme"):
    with trace.get_tracer("x").start_as_current_span("inner"):
        pass
provider = trace.get_tracer_provider()
told = {
    "resource": dict(provider.resource.attributes),
    "sampler": provider.sampler.get_description(),
    "most_attributes": provider._span_limits.max_span_attributes,
    "propagators": sorted(propagate.get_global_textmap().fields),
    "environment": {name: value for name, value in os.environ.items() if name in os.environ["ASKED"].split()},
    "logs": type(get_logger_provider()).__name__,
    "exporters": [],
}
for processor in provider._active_span_processor._span_processors:
    exporter = getattr(processor, "span_exporter", None)
    if hasattr(exporter, "_client"):
        inner = processor._batch_processor
        told["exporters"].append({
            "type": type(exporter).__name__,
            "endpoint": getattr(exporter, "_endpoint", None),
            "headers": dict(exporter._client._headers),
            "timeout": exporter._client._timeout,
            "queue": inner._max_queue_size,
            "delay": inner._schedule_delay_millis,
        })
print(json.dumps(told))
"""
DISTRO = {"OTEL_PYTHON_DISTRO": "flightdeck", "OTEL_PYTHON_CONFIGURATOR": "flightdeck"}
NO_INSTRUMENTATION = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}


def instrumented(program: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(instrument_command()), sys.executable, "-c", program],
        env=environment(**DISTRO, **NO_INSTRUMENTATION, **env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What stands on stderr, but for opentelemetry-instrument's word on other distributions that are installed too."""
    return [line for line in done.stderr.splitlines() if not line.startswith("Configuration of ")]


def told(**env: str) -> dict:
    done = instrumented(PROGRAM, ASKED=" ".join(env), **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_what_the_user_says_wins_over_everything_that_flightdeck_would_have_set():
    mine = {
        "OTEL_SERVICE_NAME": "mine",
        "OTEL_RESOURCE_ATTRIBUTES": "team=a,flightdeck.release_id=rel_of_resource",
        "OTEL_TRACES_SAMPLER": "traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.25",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1/base",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=b",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
        "OTEL_BSP_MAX_QUEUE_SIZE": "700",
        "OTEL_BSP_SCHEDULE_DELAY": "900",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "11",
        "OTEL_PROPAGATORS": "tracecontext",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
        "TRACELOOP_TRACE_CONTENT": "true",
        "OPENINFERENCE_HIDE_INPUTS": "false",
    }
    theirs = {
        "FLIGHTDECK_URL": "http://127.0.0.1:2",
        "FLIGHTDECK_LOCAL_API_TOKEN": "secret",
        "FLIGHTDECK_RELEASE_ID": "rel_of_environment",
        "FLIGHTDECK_AGENT_ID": "agent",
    }
    found = told(**mine, **theirs)
    resource = found["resource"]
    assert (resource["service.name"], resource["team"]) == ("mine", "a")
    assert resource["flightdeck.release_id"] == "rel_of_resource"
    assert "process.pid" in resource
    assert found["sampler"] == "TraceIdRatioBased{0.25}"
    assert found["most_attributes"] == 11
    assert "baggage" not in found["propagators"]
    (exporter,) = found["exporters"]
    assert exporter["endpoint"] == "http://127.0.0.1:1/base/v1/traces"
    assert exporter["headers"]["a"] == "b"
    assert "authorization" not in exporter["headers"]
    assert (exporter["timeout"], exporter["queue"], exporter["delay"]) == (3, 700, 900)
    kept = {name: value for name, value in found["environment"].items() if name in mine}
    assert kept == mine | {"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "flightdeck,process"}


def test_two_exporters_at_once():
    done = instrumented(
        "import flightdeck.otel\nwith flightdeck.otel.run(task_id='refund'): pass",
        OTEL_TRACES_EXPORTER="console,flightdeck",
        FLIGHTDECK_URL="http://127.0.0.1:1",
        FLIGHTDECK_RELEASE_ID="rel_x",
        FLIGHTDECK_SHUTDOWN_S="0.3",
    )
    assert '"name": "invoke_agent refund"' in done.stdout
    assert "1 run lost: http://127.0.0.1:1 does not answer" in done.stderr


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_what_the_user_switched_off_is_off(off):
    with endpoint() as server:
        done = instrumented(
            "import flightdeck.otel\nwith flightdeck.otel.run(): pass\nprint('answer')",
            FLIGHTDECK_URL=server.url,
            OTEL_LOGS_EXPORTER="none",
            **off,
        )
        assert (done.returncode, done.stdout, said(done)) == (0, "answer\n", [])
        assert (server.posts, server.otlp_posts) == (0, 0)


CONFIGURATION = """
file_format: "1.0"
resource:
  attributes:
    - {{name: service.name, value: from-the-file}}
  {detectors}
propagator:
  composite: [{{tracecontext: {{}}}}, {{baggage: {{}}}}]
tracer_provider:
  sampler: {{always_on: {{}}}}
  processors:
    - batch:
        schedule_delay: 100
        exporter: {exporter}
"""
DETECTORS = "detection/development: {detectors: [{flightdeck: {}}]}"


@pytest.mark.parametrize("way", ["spans", "runs"])
@pytest.mark.parametrize("detected", [DETECTORS, ""])
def test_in_a_configuration_file_of_the_sdk_our_exporter_and_detector_work(tmp_path, way, detected):
    """The file alone says what is exported; the identity reaches the spans even if it does not name the detector."""
    pytest.importorskip("opentelemetry.configuration")
    with endpoint() as server:
        ours = f"{{flightdeck: {{url: '{server.url}'}}}}"
        exporter = ours if way == "runs" else f"{{otlp_http: {{endpoint: '{server.url}/v1/traces'}}}}"
        file = tmp_path / "otel.yaml"
        file.write_text(CONFIGURATION.format(exporter=exporter, detectors=detected))
        done = instrumented(
            PROGRAM,
            ASKED="",
            OTEL_CONFIG_FILE=str(file),
            FLIGHTDECK_RELEASE_ID=RELEASE["release_id"],
            FLIGHTDECK_URL="http://127.0.0.1:1",
            OTEL_TRACES_EXPORTER="console",
            OTEL_SERVICE_NAME="not this one",
        )
        assert done.returncode == 0, done.stderr
        assert said(done) == []
        if way == "runs":
            # The exporter sees spans start although the file puts the SDK's own processor before it.
            assert server.tasks == ["refund"]
        else:
            assert server.otlp_posts == 1
    (line,) = done.stdout.splitlines()  # nothing on the console
    resource = json.loads(line)["resource"]
    assert resource["service.name"] == "from-the-file"
    assert ("flightdeck.release_id" in resource) is bool(detected)


def test_a_configuration_file_that_is_none_costs_the_agent_nothing(tmp_path: Path):
    file = tmp_path / "otel.yaml"
    file.write_text("tracer_provider: [")
    done = instrumented("print('answer')\nraise SystemExit(7)", OTEL_CONFIG_FILE=str(file))
    assert (done.returncode, done.stdout) == (7, "answer\n")
    assert "Failed to auto initialize OpenTelemetry" in done.stderr
