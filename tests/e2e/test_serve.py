"""``flightdeck serve`` as a process: what it listens on, says, refuses, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flightdeck import __version__
from tests.serving import FREE_PORTS, command, environment, serving


def flightdeck(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=folder, env=environment(env), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.contract("C1.10")
def test_one_process_serves_all_and_ends_with_0_on_sigterm(tmp_path):
    """API, OTLP over HTTP and over gRPC answer at the addresses of the ready line; the workspace's file names them.

    In a folder without flightdeck.yaml too: it says that it serves with defaults.
    """
    with serving(tmp_path) as server:
        notice, ready = server.lines
        assert notice.startswith("NOTICE: no flightdeck.yaml")
        assert ready.startswith(f"FlightDeck {__version__} is ready: api=http://127.0.0.1:")
        assert httpx.get(f"{server.url}/health").json()["status"] == "ok"
        protobuf = {"content-type": "application/x-protobuf"}
        empty = ExportTraceServiceRequest().SerializeToString()
        for base in (server.url, server.otlp_http):
            assert httpx.post(f"{base}/v1/traces", content=empty, headers=protobuf).status_code == 200
        with grpc.insecure_channel(server.otlp_grpc.removeprefix("http://")) as channel:
            health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING

        file = tmp_path / ".flightdeck" / "server.json"
        told = json.loads(file.read_text())
        assert (told["url"], told["otlp_grpc"], told["otlp_http"]) == (server.url, server.otlp_grpc, server.otlp_http)
        assert told["pid"] == server.process.pid
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

        code, seconds = server.stop()
        assert (code, seconds < 10) == (0, True)
        assert not file.exists()


@pytest.mark.contract("C1.10")
def test_ctrl_c_ends_it_with_0_as_well_and_old_flags_are_taken_with_a_notice(tmp_path):
    with serving(tmp_path, "--sqlite-lock-timeout", "5", "--no-retry-sqlite-lock", "--reload") as server:
        assert sum("has no effect any more" in line for line in server.lines) == 3
        assert server.stop(signal.SIGINT)[0] == 0


def test_a_connection_that_stays_open_does_not_hold_up_the_end(tmp_path):
    with serving(tmp_path) as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as idle, httpx.Client() as keeps_alive:
            idle.sendall(b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
            keeps_alive.get(f"{server.url}/health")
            code, seconds = server.stop()
        assert (code, seconds < 10) == (0, True)


def test_a_taken_api_port_is_one_clear_error(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = flightdeck(tmp_path, "serve", "--port", str(port), *FREE_PORTS[2:])
    assert ended.returncode == 1
    (line,) = [line for line in ended.stderr.splitlines() if not line.startswith("NOTICE")]
    assert line.startswith(f"Error: Port {port} is taken")
    assert not (tmp_path / ".flightdeck" / "clickhouse").exists(), "nothing is opened before the ports are had"


@pytest.mark.parametrize(("option", "name"), [("--otlp-grpc-port", "gRPC"), ("--otlp-http-port", "HTTP")])
def test_a_taken_otlp_port_that_was_asked_for_is_an_error(tmp_path, option, name):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = flightdeck(tmp_path, "serve", *FREE_PORTS, option, str(port))
    assert ended.returncode == 1
    assert f"Error: Port {port} for OTLP/{name} is taken" in ended.stderr
    assert option in ended.stderr


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_certificate_that_can_not_be_read_is_one_clear_error(tmp_path, protocol):
    """Before, a listener that could not start left a process that neither served nor ended."""
    (tmp_path / "c.pem").write_text("garbage")
    (tmp_path / "k.pem").write_text("garbage")
    tls = {"cert_file": str(tmp_path / "c.pem"), "key_file": str(tmp_path / "k.pem")}
    protocols = {protocol: {"endpoint": "127.0.0.1:0", "tls": tls}}
    settings = {"receivers": {"otlp": {"protocols": protocols}}}
    (tmp_path / "flightdeck.yaml").write_text(json.dumps(settings))
    done = flightdeck(tmp_path, "serve", "--port", "0")
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    assert "c.pem" in lines[0]
    assert "Traceback" not in done.stderr


@pytest.mark.xdist_group("default ports")
def test_a_taken_default_otlp_port_is_a_warning(tmp_path):
    """The API and the other receiver still serve; the warning says where spans can go instead."""
    try:
        taken = socket.create_server(("127.0.0.1", 4317))
    except OSError:
        taken = None  # somebody else has it: as good
    try:
        with serving(tmp_path, ports=("--port", "0", "--otlp-http-port", "0")) as server:
            assert server.otlp_grpc == ""
            (warning,) = [line for line in server.lines if line.startswith("WARNING")]
            assert "4317" in warning
            assert f"{server.url}/v1/traces" in warning
            assert httpx.get(f"{server.url}/health").status_code == 200
    finally:
        if taken is not None:
            taken.close()


def test_a_second_server_on_the_same_store_is_told_who_has_it(tmp_path):
    with serving(tmp_path) as server:
        ended = flightdeck(tmp_path, "serve", *FREE_PORTS)
        assert ended.returncode == 1
        assert f"process {server.process.pid}" in ended.stderr
        assert json.loads((tmp_path / ".flightdeck" / "server.json").read_text())["pid"] == server.process.pid


@pytest.mark.contract("C1.05")
def test_a_command_talks_to_the_server_of_its_folder_and_without_one_opens_the_workspace(tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("policy_id: mine\nmax_error_rate: 0.5\n")
    assert flightdeck(tmp_path, "init").returncode == 0
    with serving(tmp_path) as server:
        assert not any(line.startswith("NOTICE") for line in server.lines)
        assert flightdeck(tmp_path, "policy", "set", "policy.yaml").stdout == "Set policy mine\n"
    assert json.loads(flightdeck(tmp_path, "policy", "show").stdout)["policy_id"] == "mine"


def test_a_file_left_by_a_killed_server_misleads_nobody(tmp_path):
    """The next command opens the workspace itself, even when another server has got the old port."""
    with serving(tmp_path) as server:
        server.process.kill()
        server.process.wait()
    left = json.loads((tmp_path / ".flightdeck" / "server.json").read_text())
    assert flightdeck(tmp_path, "policy", "show").returncode == 0
    other = tmp_path / "other"
    other.mkdir()
    with serving(other) as server:
        left |= {"url": server.url, "pid": server.process.pid}
        (tmp_path / ".flightdeck" / "server.json").write_text(json.dumps(left))
        shown = flightdeck(tmp_path, "workspace", "info", "--json")
        assert json.loads(shown.stdout)["workspace_path"] == str(tmp_path)


def test_a_named_server_that_does_not_answer_is_an_error(tmp_path):
    ended = flightdeck(tmp_path, "policy", "show", env={"FLIGHTDECK_URL": "http://127.0.0.1:9"})
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: No server answers at http://127.0.0.1:9")


def test_a_bad_setting_is_one_line_that_names_the_nearest_right_one(tmp_path):
    (tmp_path / "flightdeck.yaml").write_text("default_enviroment: prod\n")
    ended = flightdeck(tmp_path, "serve", *FREE_PORTS)
    assert ended.returncode == 1
    assert ended.stderr == "Error: unknown setting default_enviroment; did you mean default_environment?\n"


def test_a_clickhouse_that_does_not_answer_is_one_line(tmp_path):
    (tmp_path / "flightdeck.yaml").write_text("store: {dsn: 'clickhouse://user:secret@127.0.0.1:1/db'}\n")
    ended = flightdeck(tmp_path, "serve", *FREE_PORTS)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Error: ClickHouse at 127.0.0.1:1 does not answer: ")
    assert line.endswith("Connection refused.")
    asked = flightdeck(tmp_path, "workspace", "info")
    assert (asked.returncode, asked.stderr) == (1, f"{line}\n")


def test_a_mistyped_variable_is_told_once_at_the_start(tmp_path):
    with serving(tmp_path, env={"FLIGHTDECK_SETLE": "2"}) as server:
        told = [line for line in server.lines if "SETLE" in line]
    assert told == ["WARNING: unknown variable FLIGHTDECK_SETLE; did you mean FLIGHTDECK_SETTLE? It is ignored."]


def test_with_a_token_every_wire_asks_for_it(tmp_path):
    token = {"FLIGHTDECK_LOCAL_API_TOKEN": "s3cret"}
    bearer = {"authorization": "Bearer s3cret"}
    body = {"content": b"", "headers": {"content-type": "application/x-protobuf"}}
    with serving(tmp_path, env=token) as server:
        assert httpx.get(f"{server.url}/health").json()["mutation_auth"] == "bearer"
        assert httpx.get(f"{server.url}/v1/releases").status_code == 401
        assert httpx.get(f"{server.url}/v1/releases", headers=bearer).status_code == 200
        for base in (server.url, server.otlp_http):
            assert httpx.post(f"{base}/v1/traces", **body).status_code == 401
        with grpc.insecure_channel(server.otlp_grpc.removeprefix("http://")) as channel:
            export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            with pytest.raises(grpc.RpcError) as refused:
                export(b"")
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert export(b"", metadata=[("authorization", "Bearer s3cret")]) == b""
        assert flightdeck(tmp_path, "release", "list").returncode == 1
        assert flightdeck(tmp_path, "release", "list", env=token).returncode == 0


def test_an_address_that_this_machine_does_not_have_is_one_clear_error(tmp_path):
    ended = flightdeck(tmp_path, "serve", "--host", "203.0.113.7", *FREE_PORTS)
    assert ended.returncode == 1
    assert "203.0.113.7" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
