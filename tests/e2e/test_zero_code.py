"""Zero code: ``opentelemetry-instrument`` on a real agent, a scripted model, a real server.

The same tickets go through the same agent three times, once over each way to FlightDeck; the runs must be equal.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flightdeck.demo.example import example_folder
from flightdeck.demo.processes import Commands, Server, environment, instrument_command
from flightdeck.demo.provider import Provider
from flightdeck.demo.script import Script
from flightdeck.sdk import FlightdeckClient

EXAMPLE = example_folder()
BUNDLE = EXAMPLE / "releases" / "baseline"
TICKETS = 40
CANARY = "canary-5f2b7c"
IDENTITY = {
    "OTEL_SERVICE_NAME": "support-agent",
    "OTEL_PYTHON_DISTRO": "flightdeck",
    "OTEL_PYTHON_CONFIGURATOR": "flightdeck",
    "OPENAI_API_KEY": "none",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("zero-code")
    Commands(folder)("init")
    return folder


@pytest.fixture(scope="module")
def server(workspace) -> Iterator[Server]:
    with Server(workspace) as server:
        yield server


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider(Script(3, pace=0.02)) as provider:
        yield provider


@pytest.fixture
def client(server) -> Iterator[FlightdeckClient]:
    client = FlightdeckClient(server.url, timeout_s=30)
    yield client
    client.close()


@pytest.fixture(scope="module")
def tickets() -> str:
    """Tickets that hold a canary; some of them fail."""
    made = subprocess.run(
        [sys.executable, str(EXAMPLE / "tickets.py"), "--count", str(TICKETS), "--seed", "11"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    asked = [json.loads(line) for line in made.stdout.splitlines()]
    return "".join(json.dumps(one | {"message": f"{one['message']} ({CANARY})"}) + "\n" for one in asked)


def ways(server: Server) -> dict[str, dict[str, str]]:
    return {
        "grpc": {"OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp_grpc, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        "http": {"OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp_http, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        "api port": {"FLIGHTDECK_URL": server.url},
        "runs": {"FLIGHTDECK_URL": server.url, "OTEL_TRACES_EXPORTER": "flightdeck"},
    }


def run_agent(provider: Provider, tickets: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(str(instrument_command()), sys.executable, str(EXAMPLE / "agent.py")),
            *("--release", str(BUNDLE), "--at-once", "4"),
        ],
        input=tickets,
        env=environment(**IDENTITY, OPENAI_BASE_URL=provider.base_url, **env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str | None, str | None]]:
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["ticket"]: (one["answer"], one["error"]) for one in told}


def runs_of(client: FlightdeckClient, release: str, count: int) -> list[dict]:
    """The release's runs, once there are so many."""
    give_up = time.monotonic() + 30
    while True:
        answer = client.list_runs(release_id=release, window="1h", limit=500)
        if answer["matched_total"] >= count or time.monotonic() > give_up:
            return answer["events"]
        time.sleep(0.1)


def comparable(runs: list[dict]) -> dict[str, dict]:
    """What a run says of its ticket, by ticket: all but ids and times, which differ from one execution to the next."""
    return {
        run["request"]["session_id"]: {
            "agent": run["agent_id"],
            "tenant": run["tenant_id"],
            "task": run["task_id"],
            "environment": run["environment"],
            "kind": run["run_kind"],
            "success": run["metrics"]["success"],
            "error_type": run["metrics"]["error_type"],
            "usage": run["usage"],
        }
        for run in runs
    }


def test_every_way_to_flightdeck_gives_the_same_runs(workspace, server, provider, client, tickets):
    told, found = {}, {}
    for way, env in ways(server).items():
        release = Commands(workspace)("release", "register", str(BUNDLE))
        done = run_agent(provider, tickets, env | {"FLIGHTDECK_RELEASE_ID": release})
        assert done.returncode == 0, done.stderr
        told[way] = outcomes(done)
        runs = runs_of(client, release, TICKETS)
        assert len(runs) == TICKETS, way
        assert {run["source"] for run in runs} == {"native" if way == "runs" else "otlp"}
        assert all(isinstance(run["metrics"]["latency_ms"], int) for run in runs)
        found[way] = comparable(runs)
    assert told["grpc"] == told["http"] == told["api port"] == told["runs"]
    assert found["grpc"] == found["http"] == found["api port"] == found["runs"]

    solved = {ticket: error for ticket, (_, error) in told["grpc"].items()}
    assert {ticket: run["error_type"] for ticket, run in found["grpc"].items()} == solved
    assert 0 < sum(error is not None for error in solved.values()) < TICKETS / 2
    for run in found["grpc"].values():
        (row,) = run["usage"]["models"]
        assert (row["provider"], row["model"]) == ("openai", "gpt-4.1-mini-2025-04-14")
        assert row["input_tokens"] > 1000 * row["calls"]
        assert run["usage"]["calls_without_usage"] == 0
    assert {tool["tool_name"] for run in found["grpc"].values() for tool in run["usage"]["tools"]} == {
        "look_up_order",
        "issue_refund",
        "track_parcel",
        "change_address",
        "search_help",
    }
    assert any(run["usage"]["model"]["cached_input_tokens"] for run in found["grpc"].values())

    for file in workspace.rglob("*"):
        if file.is_file():
            assert CANARY.encode() not in file.read_bytes(), f"{file.name} holds a prompt"


@pytest.mark.parametrize("way", ["http", "runs"])
def test_a_release_is_known_by_its_version(workspace, server, provider, client, tickets, way):
    release = Commands(workspace)("release", "register", str(EXAMPLE / "releases" / "tuned"))
    env = ways(server)[way] | {"OTEL_RESOURCE_ATTRIBUTES": "service.version=1.5.0-rc.1"}
    done = run_agent(provider, tickets.splitlines()[0], env)
    assert done.returncode == 0, done.stderr
    assert len(runs_of(client, release, 1)) == 1


@pytest.mark.parametrize("way", ["grpc", "runs"])
def test_a_dead_server_changes_nothing_for_the_agent(provider, tickets, way):
    few = "".join(tickets.splitlines(keepends=True)[:8])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    dead = f"http://127.0.0.1:{port}"
    env = {
        "grpc": {"OTEL_EXPORTER_OTLP_ENDPOINT": dead, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        "runs": {"FLIGHTDECK_URL": dead, "OTEL_TRACES_EXPORTER": "flightdeck"},
    }[way]
    env |= {"FLIGHTDECK_RELEASE_ID": "rel_0123456789ab", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    bare = subprocess.run(
        [sys.executable, str(EXAMPLE / "agent.py"), "--release", str(BUNDLE)],
        input=few,
        env=environment(OPENAI_BASE_URL=provider.base_url, OPENAI_API_KEY="none"),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    done = run_agent(provider, few, env)
    assert (done.returncode, outcomes(done)) == (0, outcomes(bare))
    if way == "runs":
        said = [line for line in done.stderr.splitlines() if line.startswith("FlightDeck")]
        assert len(said) == 2, done.stderr
        assert f"{dead} does not answer" in said[0]
        assert "runs lost" in said[1]


def test_one_line_of_code_does_the_same(workspace, server, client):
    """Twice is once; and a provider that the program has made itself stays, with one processor more."""
    release = Commands(workspace)("release", "register", str(BUNDLE))
    program = f"""
import flightdeck.otel
from opentelemetry import trace
if MADE:
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider())
made = trace.get_tracer_provider() if MADE else None
options = dict(release_id={release!r}, agent_id="support-agent", url={server.url!r}, export=EXPORT, instrument=False)
assert flightdeck.otel.configure(**options) is True
assert flightdeck.otel.configure(**options) is False
assert made is None or trace.get_tracer_provider() is made
with trace.get_tracer("mine").start_as_current_span("ask", attributes={{"gen_ai.operation.name": "invoke_agent"}}):
    pass
"""
    for count, (made, export) in enumerate(((False, "spans"), (False, "runs"), (True, "spans"), (True, "runs")), 1):
        code = program.replace("MADE", str(made)).replace("EXPORT", repr(export))
        subprocess.run([sys.executable, "-c", code], env=environment(), timeout=60, check=True)
        runs = runs_of(client, release, count)
        assert len(runs) == count, (made, export)
        assert {run["agent_id"] for run in runs} == {"support-agent"}


def test_the_agent_s_exit_code_is_its_own(server, provider):
    done = subprocess.run(
        [str(instrument_command()), sys.executable, "-c", "raise SystemExit(7)"],
        env=environment(**IDENTITY, **ways(server)["runs"]),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 7


def test_the_distribution_is_found_by_its_entry_points():
    """Without them ``opentelemetry-instrument`` would silently do without FlightDeck."""
    from importlib.metadata import entry_points

    wanted = {
        "opentelemetry_distro": "flightdeck.otel.instrumentation.distro:FlightDeckDistro",
        "opentelemetry_configurator": "flightdeck.otel.instrumentation.distro:FlightDeckConfigurator",
        "opentelemetry_resource_detector": "flightdeck.otel.instrumentation.detector:FlightDeckResourceDetector",
        "opentelemetry_traces_exporter": "flightdeck.otel.instrumentation.exporter:RunExporter",
    }
    for group, value in wanted.items():
        (found,) = entry_points(group=group, name="flightdeck")
        assert found.value == value
        found.load()
