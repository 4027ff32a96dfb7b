"""What the distribution sets where the user has not, and what it leaves alone."""

import json
import os
import subprocess
import sys

import pytest
from opentelemetry.sdk.resources import Resource

import flightdeck.otel
from flightdeck.otel.instrumentation.defaults import CONTENT_STAYS_HOME, DETECTORS, OPT_IN, set_defaults
from flightdeck.otel.instrumentation.detector import FlightDeckResourceDetector
from flightdeck.otel.instrumentation.headers import headers_for
from flightdeck.otel.instrumentation.settings import AgentSettings
from flightdeck.otel.instrumentation.short import READ_BY_CLASSES, is_enough

IDENTITY = {
    "FLIGHTDECK_RELEASE_ID": "rel_0123456789ab",
    "FLIGHTDECK_AGENT_ID": "support",
    "FLIGHTDECK_ENVIRONMENT": "eu",
}


def defaults(**environ: str) -> dict[str, str]:
    set_defaults(environ)
    return environ


def test_spans_and_evaluations_go_out_over_otlp_unless_told_otherwise():
    environ = defaults()
    assert (environ["OTEL_TRACES_EXPORTER"], environ["OTEL_LOGS_EXPORTER"]) == ("otlp", "otlp")
    assert "OTEL_METRICS_EXPORTER" not in environ


def test_where_runs_are_posted_nothing_tries_otlp():
    assert "OTEL_LOGS_EXPORTER" not in defaults(OTEL_TRACES_EXPORTER="flightdeck")


def test_the_server_s_address_is_enough():
    environ = defaults(FLIGHTDECK_URL="http://fd:8765/", FLIGHTDECK_LOCAL_API_TOKEN="hush")
    assert environ["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://fd:8765"
    assert environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/protobuf"
    assert not [name for name, value in environ.items() if name.startswith("OTEL_") and "hush" in value]


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_an_endpoint_of_the_user_wins(name):
    environ = defaults(**{name: "http://collector:4317"}, FLIGHTDECK_URL="http://fd:8765")
    assert environ[name] == "http://collector:4317"
    assert "OTEL_EXPORTER_OTLP_PROTOCOL" not in environ


SECRET = AgentSettings(url="http://fd:8765", api_token="a b%")
GIVEN = {"authorization": "Bearer a b%"}


@pytest.mark.parametrize(
    ("environ", "headers"),
    [
        ({"ENDPOINT": "http://fd:8765"}, GIVEN),
        ({"ENDPOINT": "http://fd:8765/"}, GIVEN),
        ({"ENDPOINT": "http://elsewhere", "TRACES_ENDPOINT": "http://fd:8765/v1/traces"}, GIVEN),
        ({"ENDPOINT": "http://fd:8765", "LOGS_ENDPOINT": "http://elsewhere"}, GIVEN),
        ({"ENDPOINT": "http://fd:8765", "TRACES_ENDPOINT": "http://elsewhere"}, None),
        ({"ENDPOINT": "http://fd:87650"}, None),
        ({"ENDPOINT": "http://fd:8765@elsewhere"}, None),
        ({"ENDPOINT": "http://fd:8765.elsewhere/"}, None),
        ({"ENDPOINT": "https://fd:8765"}, None),
        ({"ENDPOINT": ""}, None),
        ({}, None),
        ({"ENDPOINT": "http://fd:8765", "HEADERS": "A=b%20c"}, GIVEN | {"a": "b c"}),
        ({"ENDPOINT": "http://fd:8765", "HEADERS": "a=b", "TRACES_HEADERS": "c=d"}, GIVEN | {"c": "d"}),
        ({"ENDPOINT": "http://fd:8765", "HEADERS": "Authorization=Basic%20x"}, {"authorization": "Basic x"}),
    ],
)
def test_the_token_is_for_an_exporter_to_the_server_s_address_beside_the_user_s_headers(environ, headers):
    named = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in environ.items()}
    assert headers_for("traces", named, SECRET) == headers


@pytest.mark.parametrize("without", [AgentSettings(url="http://fd:8765"), AgentSettings(api_token="a")])
def test_without_a_token_or_an_address_of_the_server_no_exporter_gets_headers(without):
    assert headers_for("traces", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://fd:8765"}, without) is None


def test_who_wants_grpc_is_not_sent_to_the_api_port():
    environ = defaults(FLIGHTDECK_URL="http://fd:8765", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in environ


@pytest.mark.parametrize(
    "url", ["localhost:40000", "foo", "http://", "ftp://fd:1", "http://fd:port", "http://[", "http://a b"]
)
def test_an_address_that_is_none_is_one_clear_line_and_nothing_is_sent_elsewhere(url, caplog):
    environ = defaults(FLIGHTDECK_URL=url)
    assert (environ["OTEL_TRACES_EXPORTER"], environ["OTEL_LOGS_EXPORTER"]) == ("none", "none")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in environ
    (record,) = caplog.records
    assert f"FLIGHTDECK_URL={url.rstrip('/')} is no address; write http://host:port" in record.getMessage()


def test_other_exporters_stay_where_the_address_is_none(caplog):
    environ = defaults(FLIGHTDECK_URL="foo", OTEL_TRACES_EXPORTER="console, otlp")
    assert environ["OTEL_TRACES_EXPORTER"] == "console"


def test_an_agent_with_an_address_that_is_none_says_so_once_and_runs_on(tmp_path):
    """In a program with a provider of its own: set up, a span, the end; for spans and for runs."""
    code = (
        "from flightdeck.otel import configure; import sys; from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider; trace.set_tracer_provider(TracerProvider())\n"
        "configure(export=sys.argv[1], instrument=False)\n"
        "trace.get_tracer('agent').start_span('invoke_agent').end()\n"
        "print('done')"
    )
    for export in ("spans", "runs"):
        environ = {"FLIGHTDECK_URL": "localhost:40000", "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", code, export],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout == "done\n"
        (line,) = done.stderr.splitlines()
        assert "FLIGHTDECK_URL=localhost:40000 is no address; write http://host:port" in line


def test_an_export_that_is_none_is_an_error_that_names_the_choices():
    with pytest.raises(ValueError, match="export must be 'spans' or 'runs', not 'bogus'"):
        flightdeck.otel.configure(export="bogus")


@pytest.mark.parametrize(
    ("environment", "lines"),
    [
        ({}, 1),
        ({"FLIGHTDECK_RELEASE_ID": "rel_0123456789ab"}, 0),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.version=1.4.0"}, 0),
        ({"OTEL_TRACES_EXPORTER": "none"}, 0),
        ({"OTEL_SDK_DISABLED": "true"}, 0),
    ],
)
def test_an_agent_that_names_no_release_is_told_so_once_when_it_starts(environment, lines):
    program = (
        "import flightdeck.otel as fd\nfd.configure(instrument=False)\nfd.configure(instrument=False)\nprint('on')"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FLIGHTDECK_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, "-c", program], env=clean | environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "on\n"
    said = [line for line in done.stderr.splitlines() if "FLIGHTDECK_RELEASE_ID" in line]
    assert len(said) == len(done.stderr.splitlines()) == lines, done.stderr


def test_headers_of_the_user_win():
    environ = defaults(FLIGHTDECK_URL="http://fd", FLIGHTDECK_LOCAL_API_TOKEN="x", OTEL_EXPORTER_OTLP_HEADERS="a=b")
    assert environ["OTEL_EXPORTER_OTLP_HEADERS"] == "a=b"


@pytest.mark.parametrize(
    ("named", "then"),
    [
        (None, "flightdeck,otel"),
        ("host,process", "flightdeck,host,process"),
        ("otel, flightdeck", "otel, flightdeck"),
        ("*", "*"),
    ],
)
def test_the_detector_is_added_to_those_of_the_user(named, then):
    environ = defaults(**{} if named is None else {DETECTORS: named})
    assert environ[DETECTORS] == then


def test_content_stays_home_unless_the_user_asks_for_it():
    environ = defaults(TRACELOOP_TRACE_CONTENT="true")
    assert environ["TRACELOOP_TRACE_CONTENT"] == "true"
    assert environ["OPENINFERENCE_HIDE_INPUTS"] == environ["OPENINFERENCE_HIDE_OUTPUTS"] == "true"


def test_strands_redacts_unless_the_user_says_what_it_may_tell():
    name = "OTEL_SEMCONV_STABILITY_OPT_IN"
    assert defaults()[name] == "gen_ai_unredacted_attributes="
    assert defaults(**{name: "http"})[name] == "http,gen_ai_unredacted_attributes="
    chosen = "gen_ai_unredacted_attributes=gen_ai.output.*"
    assert defaults(**{name: chosen})[name] == chosen


def test_the_detector_says_who_the_agent_is(monkeypatch):
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    assert dict(FlightDeckResourceDetector().detect().attributes) == {
        "flightdeck.release_id": "rel_0123456789ab",
        "flightdeck.agent_id": "support",
        "flightdeck.environment": "eu",
        "service.name": "support",
    }


def test_the_detector_is_silent_where_nothing_is_set(monkeypatch):
    for name in IDENTITY:
        monkeypatch.delenv(name, raising=False)
    assert FlightDeckResourceDetector().detect() == Resource.get_empty()


def test_settings_are_read_from_the_environment():
    settings = AgentSettings.read(
        {"FLIGHTDECK_URL": " http://fd/ ", "FLIGHTDECK_TENANT_KEYS": '["a", "b", 3]', "FLIGHTDECK_TASK_KEYS": "c, d,"}
    )
    assert (settings.url, settings.tenant_keys, settings.task_keys) == ("http://fd", ("a", "b"), ("c", "d"))
    assert AgentSettings.read({"FLIGHTDECK_TENANT_KEYS": "[broken"}).tenant_keys == ()


def test_the_token_is_not_printed():
    assert "hush" not in repr(AgentSettings(api_token="hush"))


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after running some code."""
    told = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(told.stdout.split())


SERVER_SIDE = {
    "clickhouse_connect",
    "chdb",
    "fastapi",
    "starlette",
    "uvicorn",
    "sqlalchemy",
    "alembic",
    "scipy",
    "numpy",
    "pandas",
    "pyarrow",
    "genai_prices",
    "grpc_health",
    "grpc_status",
}


@pytest.mark.parametrize(
    "module", ["flightdeck.otel", "flightdeck.otel.instrumentation.setup", "flightdeck.otel.instrumentation.reporter"]
)
def test_an_agent_imports_nothing_of_the_server(module):
    assert not SERVER_SIDE & {name.partition(".")[0] for name in modules_after(f"import {module}")}


def test_importing_the_package_imports_no_sdk():
    assert not {"opentelemetry", "pydantic"} & modules_after("import flightdeck.otel")


def test_an_agent_s_start_does_not_pay_for_pydantic():
    assert "pydantic" not in modules_after("import flightdeck.otel.instrumentation.setup")


def set_up_of(**environ: str) -> tuple[dict, set[str]]:
    """What ``configure`` made in a fresh interpreter, and the modules that it has loaded."""
    program = """
import json, sys
import flightdeck.otel
flightdeck.otel.configure(instrument=False)
from opentelemetry import _logs, propagate, trace

def told(processor):
    batches = getattr(processor, "_batch_processor", None)
    exporter = getattr(batches, "_exporter", None)
    inner = getattr(exporter, "_inner", exporter)
    of_batches = ("_max_queue_size", "_schedule_delay_millis", "_max_export_batch_size", "_export_timeout_millis")
    said = [str(getattr(batches, name, None)) for name in of_batches]
    said += [str(getattr(inner, name, None)) for name in ("_endpoint", "_headers", "_timeout", "_compression")]
    said += [str(getattr(inner, name, None)) for name in ("_certificate_file", "_client_cert")]
    return [type(each).__qualname__ for each in (processor, exporter, inner)] + said

spans, logs = trace.get_tracer_provider(), _logs.get_logger_provider()
made = {
    "spans": [told(each) for each in spans._active_span_processor._span_processors],
    "logs": [told(each) for each in logs._multi_log_record_processor._log_record_processors],
    "sampler": repr(spans.sampler.get_description()),
    "ids": type(spans.id_generator).__name__,
    "limits": repr(spans._span_limits),
    "propagators": sorted(propagate.get_global_textmap().fields),
    "resources": [
        {key: value for key, value in each.resource.attributes.items() if key != "service.instance.id"}
        for each in (spans, logs)
    ],
}
print(json.dumps([made, list(sys.modules)]))
"""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("FLIGHTDECK_", "OTEL_"))}
    done = subprocess.run(
        [sys.executable, "-c", program], env=clean | environ, capture_output=True, text=True, check=True, timeout=60
    )
    made, modules = json.loads(done.stdout)
    return made, set(modules)


USUAL = {
    "FLIGHTDECK_URL": "http://127.0.0.1:9",
    "FLIGHTDECK_RELEASE_ID": "rel_0123456789ab",
    "FLIGHTDECK_LOCAL_API_TOKEN": "hush",
}
EVERY = USUAL | {
    "OTEL_BLRP_EXPORT_TIMEOUT": "7001",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "17",
    "OTEL_BLRP_MAX_QUEUE_SIZE": "170",
    "OTEL_BLRP_SCHEDULE_DELAY": "701",
    "OTEL_BSP_EXPORT_TIMEOUT": "8001",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "18",
    "OTEL_BSP_MAX_QUEUE_SIZE": "180",
    "OTEL_BSP_SCHEDULE_DELAY": "801",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "flightdeck,otel,os",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9/prefix",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-team=a",
    "OTEL_EXPORTER_OTLP_PROTOCOL": " http/protobuf ",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
    "OTEL_LOGS_EXPORTER": " otlp ",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_PROPAGATORS": "baggage",
    "OTEL_PYTHON_CONFIGURATOR": "flightdeck",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "httpx",
    "OTEL_PYTHON_DISTRO": "flightdeck",
    "OTEL_RESOURCE_ATTRIBUTES": "service.version=2,team=a",
    "OTEL_SERVICE_NAME": "support",
    "OTEL_TRACES_EXPORTER": " otlp ",
}


def test_every_variable_of_the_short_way_is_compared_below():
    others = {*CONTENT_STAYS_HOME, OPT_IN}  # for instrumentations, which come after either way
    assert READ_BY_CLASSES - others <= set(EVERY)


@pytest.mark.parametrize("given", [USUAL, EVERY], ids=["usual", "every variable"])
def test_the_short_way_makes_what_the_sdk_s_configurator_makes(given):
    """A variable that it does not know of sends ``configure`` the long way; this one says what holds anyway."""
    short, loaded = set_up_of(**given)
    configurator = "opentelemetry.sdk._configuration"
    assert configurator not in loaded
    long, loaded_then = set_up_of(**given, OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="128")
    assert configurator in loaded_then
    assert short == long
    endpoint = given.get("OTEL_EXPORTER_OTLP_ENDPOINT", given["FLIGHTDECK_URL"])
    assert any(f"{endpoint}/v1/traces" in said for said in short["spans"])
    assert any(f"{endpoint}/v1/logs" in said for said in short["logs"])


def test_a_start_that_sends_spans_imports_neither_metrics_nor_what_posts_runs():
    loaded = set_up_of(FLIGHTDECK_URL="http://127.0.0.1:9", FLIGHTDECK_RELEASE_ID="rel_0123456789ab")[1]
    ours = "flightdeck.otel.instrumentation"
    assert not {"opentelemetry.sdk.metrics", f"{ours}.exporter", f"{ours}.courier", "sqlite3", "asyncio"} & loaded


SHORT = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "PATH": "/bin",
}


@pytest.mark.parametrize(
    "other",
    [
        {"OTEL_TRACES_EXPORTER": "otlp,console"},
        {"OTEL_TRACES_EXPORTER": "flightdeck"},
        {"OTEL_LOGS_EXPORTER": "none"},
        {"OTEL_METRICS_EXPORTER": "otlp"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem"},
        {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"},
        {"OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=b"},
        {"OTEL_PYTHON_ID_GENERATOR": "random"},
        {"OTEL_SDK_DISABLED": "true"},
        {"OTEL_TRACES_SAMPLER": "always_off"},
        {"OTEL_CONFIG_FILE": "otel.yaml"},
        {"OTEL_A_VARIABLE_OF_TOMORROW": "1"},
    ],
)
def test_whatever_else_the_user_asks_for_is_left_to_the_sdk_s_configurator(other):
    assert is_enough(SHORT)
    assert not is_enough(SHORT | other)
