"""What `deploy/` promises, as far as it can be checked without a container engine.

The files are read, and held against each other, the specification and the program; what runs inside the image (its
entrypoint, its health check, the server under the environment of the compose file) runs here for real.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from pydantic import SecretStr

from flightdeck.settings import load
from tests.docs.settings_table import rows
from tests.postgres import Postgres
from tests.served_clickhouse import VERSION, ServedClickHouse
from tests.serving import STOP_S, Server, addresses, environment
from tests.workspace import artifact

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "docker-compose.yaml"
SECRETS = {
    "FLIGHTDECK_LOCAL_API_TOKEN": "token-of-the-test",
    "CLICKHOUSE_PASSWORD": "served",
    "POSTGRES_PASSWORD": "secret-of-postgres",
}
PINNED = re.compile(r"[\w./-]+:\d+(\.\d+)*(-[\w.]+)?")


def interpolated(text: str) -> str:
    """What compose makes of ``${NAME}`` and ``${NAME:?message}``; a KeyError names a variable without a value."""
    return re.sub(r"\$\{(\w+)(:\?[^}]*)?\}", lambda found: SECRETS[found[1]], text)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load(interpolated(COMPOSE.read_text()))


@pytest.fixture(scope="module")
def services(compose) -> dict[str, dict[str, Any]]:
    return compose["services"]


@pytest.fixture(scope="module")
def collector() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "collector.yaml").read_text())


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    """The instructions, each with its arguments on one line."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in (" ".join(line.split()) for line in lines)]


@pytest.fixture(scope="module")
def build_files() -> set[str]:
    """The files that a build is sent: those of the repository without what .dockerignore names."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    ignored = (ROOT / ".dockerignore").read_text().split()
    return {name for name in listed if not any(_ignores(pattern, name) for pattern in ignored)}


def _ignores(pattern: str, name: str) -> bool:
    folders = [name, *map(str, Path(name).parents)]
    plain = pattern.removeprefix("**/")
    return any(fnmatch.fnmatch(Path(folder).name if plain != pattern else folder, plain) for folder in folders)


# --- the compose file ------------------------------------------------------------------------------------------------


def test_the_compose_file_holds_to_the_specification_s_schema():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_variable_that_compose_asks_for_stands_in_the_example_and_is_demanded():
    text = COMPOSE.read_text()
    example = dict(
        line.split("=", 1) for line in (DEPLOY / ".env.example").read_text().splitlines() if line[:1] not in {"#", ""}
    )
    assert set(re.findall(r"\$\{(\w+)", text)) == set(example) == set(SECRETS)
    assert not any(example.values()), "the example must not bring secrets that somebody might keep"
    demanded = set(re.findall(r"\$\{(\w+):\?[^}]+\}", text))
    assert demanded == set(SECRETS), "a variable that is empty must end compose with a message"


def test_secrets_stay_out_of_the_repository_and_of_the_image(build_files):
    assert "/deploy/.env" in (ROOT / ".gitignore").read_text().split()
    assert "deploy/.env" in (ROOT / ".dockerignore").read_text().split()
    assert "deploy/.env.example" in build_files


def test_every_image_is_pinned(services, dockerfile):
    images = [service["image"] for service in services.values() if "image" in service]
    images += [argument.split()[0] for instruction, argument in dockerfile if instruction == "FROM"]
    assert len(images) == 5
    assert [image for image in images if not PINNED.fullmatch(image)] == []


def test_clickhouse_is_the_version_that_the_tests_run_against(services):
    tag = services["clickhouse"]["image"].rpartition(":")[2]
    assert VERSION.startswith(f"{tag}.")


def test_who_is_waited_for_exists_and_can_say_that_it_is_healthy(services, dockerfile):
    own = any(instruction == "HEALTHCHECK" for instruction, _ in dockerfile)
    waits = [(name, other, how) for name, each in services.items() for other, how in each.get("depends_on", {}).items()]
    assert len(waits) == 3
    for name, other, how in waits:
        assert other in services, f"{name} waits for {other}, which is no service"
        assert how == {"condition": "service_healthy"}
        assert "healthcheck" in services[other] or ("build" in services[other] and own), f"{other} never says so"


def test_volumes_are_declared_and_bound_files_exist(compose, services):
    used = set()
    for service in services.values():
        for source, target, *_ in (volume.split(":") for volume in service.get("volumes", ())):
            assert target.startswith("/")
            if source.startswith("."):
                assert (DEPLOY / source).is_file(), source
            else:
                used.add(source)
    assert used == set(compose["volumes"])


def test_published_ports_are_loopback_s_and_unique(services):
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in published)
    hosts = [port.split(":")[1] for port in published]
    assert sorted(hosts) == ["4317", "4318", "8765"]


def test_a_stop_is_given_the_time_that_the_server_may_take(services):
    assert int(services["flightdeck"]["stop_grace_period"].rstrip("s")) > STOP_S


def test_every_setting_is_one_and_names_services_of_the_same_file(services, tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("FLIGHTDECK_")]:
        monkeypatch.delenv(name)
    given = services["flightdeck"]["environment"]
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load(workspace=tmp_path)
    assert set(given) <= {variable for _, variable, *_ in rows()}, "FLIGHTDECK_* that the program does not read"

    assert settings.local_api_token == SecretStr(SECRETS["FLIGHTDECK_LOCAL_API_TOKEN"])
    assert settings.store.dsn is not None
    store = urlsplit(settings.store.dsn.get_secret_value())
    clickhouse = services["clickhouse"]["environment"]
    assert (store.scheme, store.hostname, store.port) == ("clickhouse", "clickhouse", 8123)
    assert store.username == clickhouse["CLICKHOUSE_USER"]
    assert store.password == clickhouse["CLICKHOUSE_PASSWORD"]
    assert store.path == f"/{clickhouse['CLICKHOUSE_DB']}"

    assert settings.ledger.database_url is not None
    ledger = urlsplit(settings.ledger.database_url.get_secret_value())
    postgres = services["postgres"]["environment"]
    assert (ledger.scheme, ledger.hostname, ledger.port) == ("postgresql", "postgres", 5432)
    assert ledger.username == postgres["POSTGRES_USER"]
    assert ledger.password == postgres["POSTGRES_PASSWORD"]
    assert ledger.path == f"/{postgres['POSTGRES_DB']}"


# --- the Collector's configuration ------------------------------------------------------------------------------------


def test_the_collector_hands_on_to_the_server_with_its_token_and_a_compression_that_it_reads(collector, services):
    exporter = collector["exporters"]["otlp/flightdeck"]
    assert exporter["endpoint"] == "flightdeck:4317"
    assert exporter["endpoint"].split(":")[0] in services
    assert exporter["tls"] == {"insecure": True}, "the server's gRPC port has no certificate in this file"
    assert exporter["compression"] in {"gzip", "deflate", "none"}
    (variable,) = re.findall(r"\$\{env:(\w+)\}", exporter["headers"]["authorization"])
    assert exporter["headers"]["authorization"] == f"Bearer ${{env:{variable}}}"
    assert services["collector"]["environment"][variable] == services["flightdeck"]["environment"][variable]


def test_what_the_collector_s_service_names_is_configured_and_nothing_else(collector):
    service = collector["service"]
    for kind in ("receivers", "exporters", "processors"):
        named = {name for pipeline in service["pipelines"].values() for name in pipeline.get(kind, ())}
        assert named == set(collector.get(kind, {})), kind
    assert set(service["extensions"]) == set(collector["extensions"])
    assert set(service["pipelines"]) == {"traces", "logs", "metrics"}, "an agent may send all three"


def test_the_collector_s_ports_are_published_and_its_queue_is_on_a_volume(collector, services):
    own = services["collector"]
    protocols = collector["receivers"]["otlp"]["protocols"]
    assert {f"127.0.0.1:{port}:{port}" for port in ("4317", "4318")} == set(own["ports"])
    assert {each["endpoint"] for each in protocols.values()} == {"0.0.0.0:4317", "0.0.0.0:4318"}
    queue = collector["exporters"]["otlp/flightdeck"]["sending_queue"]
    folder = collector["extensions"][queue["storage"]]["directory"]
    assert folder in {volume.split(":")[1] for volume in own["volumes"]}
    (config,) = [word.partition("=")[2] for word in own["command"] if word.startswith("--config=")]
    assert any(volume.split(":")[1] == config for volume in own["volumes"])
    assert queue["batch"]["min_size"] <= queue["batch"]["max_size"] <= queue["queue_size"]


# --- the image --------------------------------------------------------------------------------------------------------


def test_what_the_image_copies_is_in_the_build_s_context(dockerfile, build_files):
    copies = [shlex.split(argument) for instruction, argument in dockerfile if instruction == "COPY"]
    sources = [[word for word in copy if not word.startswith("--")][:-1] for copy in copies]
    for source in (each for listed in sources for each in listed if each != "."):
        assert source in build_files, source
    assert ["."] in sources
    # What the wheel is made of: pyproject.toml and hatch_build.py name these.
    for needed in ("README.md", "LICENSE", "hatch_build.py", "pyproject.toml", "web/package-lock.json"):
        assert needed in build_files, needed
    assert any(name.startswith("examples/support_agent/") for name in build_files)
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in build_files)


def test_what_the_image_installs_is_locked_and_the_locks_are_the_makefile_s(dockerfile):
    makefile = (ROOT / "Makefile").read_text()
    locks = []
    for argument in (argument for instruction, argument in dockerfile if instruction == "RUN"):
        for command in re.findall(r"pip install [^&]+", argument):
            if "/dist/" in command:
                assert "--no-deps" in command, "the wheel must bring nothing that the lock does not hold"
                continue
            assert "--require-hashes" in command, command
            locks.append(Path(command.split("-r ")[1].split()[0]).name)
    assert locks == ["build.txt", "server.txt"]
    for lock in locks:
        assert f"-o requirements/{lock}" in makefile
        assert (ROOT / "requirements" / lock).is_file()


def test_the_locks_agree_with_the_one_that_the_tests_run_under():
    tested = _locked("dev.txt")
    for lock in ("server.txt", "build.txt"):
        differing = {name: (version, tested.get(name)) for name, version in _locked(lock).items()}
        assert {name: pair for name, pair in differing.items() if pair[0] != pair[1]} == {}, lock


def _locked(name: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^\s;\\]+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE)
    return dict(found)


def test_the_entrypoint_is_what_was_copied_there_and_its_ports_are_exposed(dockerfile):
    instructions = dict(dockerfile)
    (entrypoint,) = json.loads(instructions["ENTRYPOINT"])
    assert instructions["COPY"].split()[-2:] == ["deploy/entrypoint.sh", f"/usr/local/bin/{entrypoint}"]
    assert "--chmod=755" in instructions["COPY"]
    assert set(instructions["EXPOSE"].split()) == {"8765", "4317", "4318"}
    assert instructions["USER"] == "flightdeck"
    assert instructions["WORKDIR"] == instructions["VOLUME"] == "/workspace"


def test_the_entrypoint_is_a_shell_script_without_errors():
    for shell in filter(None, (shutil.which("sh"), shutil.which("dash"), shutil.which("bash"))):
        checked = subprocess.run([shell, "-n", DEPLOY / "entrypoint.sh"], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


# --- the whole, without containers ------------------------------------------------------------------------------------


@contextmanager
def entered(folder: Path, env: Mapping[str, str], *arguments: str) -> Iterator[Server]:
    """The image's entrypoint, run as a container would run it, until the end of the block."""
    binaries = folder.with_name("bin")
    binaries.mkdir(exist_ok=True)
    command = binaries / "flightdeck"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m flightdeck.cli.main "$@"\n')
    command.chmod(0o755)
    here = environment(env)
    here["PATH"] = f"{binaries}{os.pathsep}{here['PATH']}"
    process = subprocess.Popen(
        ["sh", DEPLOY / "entrypoint.sh", *arguments], cwd=folder, env=here, stderr=subprocess.PIPE, text=True
    )
    lines: list[str] = []
    try:
        yield Server(process, addresses(process, lines), lines)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_the_topology_serves_ingests_judges_promotes_and_keeps_it_over_a_restart(
    services, dockerfile, tmp_path, served_clickhouse: ServedClickHouse, postgres_server: Postgres
):
    """Real ClickHouse, real PostgreSQL, the compose file's environment with its two hosts replaced."""
    clickhouse, postgres = served_clickhouse.database(), postgres_server.database()
    env = dict(services["flightdeck"]["environment"])
    assert set(env) == {"FLIGHTDECK_LOCAL_API_TOKEN", "FLIGHTDECK_STORE__DSN", "FLIGHTDECK_DATABASE_URL"}
    env |= {"FLIGHTDECK_STORE__DSN": clickhouse, "FLIGHTDECK_DATABASE_URL": postgres, "PORT": "0"}
    # Any free port in place of 4317 and 4318; the entrypoint's own choice is all interfaces as well.
    for protocol in ("GRPC", "HTTP"):
        env[f"FLIGHTDECK_RECEIVERS__OTLP__PROTOCOLS__{protocol}__ENDPOINT"] = "0.0.0.0:0"
    token = {"Authorization": f"Bearer {env['FLIGHTDECK_LOCAL_API_TOKEN']}"}
    workspace = tmp_path / "workspace"
    workspace.mkdir()

    with entered(workspace, env, "serve") as server:  # as the chart of 1.3 calls it
        assert (workspace / "flightdeck.yaml").is_file()
        _healthy(dockerfile, server)
        with httpx.Client(base_url=server.url, headers=token) as api:
            assert api.get("/v1/releases", headers={"Authorization": "Bearer wrong"}).status_code == 401
            prices = {"model": "gpt-4.1-mini", "input_usd_per_1k_tokens": 1, "output_usd_per_1k_tokens": 2}
            table = {"provider": "openai", "pricing_version": "p1", "entries": [prices]}
            assert api.post("/v1/pricing", json={"table": table}).status_code == 200
            baseline, candidate = (_registered(api, version) for version in ("1.0.0", "2.0.0"))
            policy = {"min_candidate_runs": 2, "min_baseline_runs": 2, "min_low_runs": 1}
            assert api.put("/v1/policy", json=policy).status_code == 200
            assert _promoted(api, baseline)["policy"]["passed"]
            events = [_event(each, n) for each in (baseline, candidate) for n in range(3)]
            answer = api.post("/v1/events", json={"events": events})
            assert answer.json()["inserted"] == 6, answer.text
            before = _diff(api, baseline, candidate)
            assert before["samples"]["candidate_runs"] == 3
            assert _promoted(api, candidate)["policy"]["passed"]
        assert server.stop(signal.SIGTERM)[0] == 0  # `exec` in the entrypoint: the signal reaches the server

    with entered(workspace, env) as server, httpx.Client(base_url=server.url, headers=token) as api:
        after = _diff(api, baseline, candidate)
        assert after["metrics"] == before["metrics"]
        (live,) = api.get("/v1/promoted").json()["promoted"]
        assert live["release_id"] == candidate
        checks = api.get("/v1/doctor").json()["checks"]
        assert [check for check in checks if not check["passed"]] == []
        facts = api.get("/v1/workspace/info").json()
        assert facts["db_backend"] == "postgresql"
        assert facts["store_target"].startswith("clickhouse://flightdeck:***@")


def _healthy(dockerfile: list[tuple[str, str]], server: Server) -> None:
    """Runs the image's health check, which is a line of shell, against a server."""
    check = dict(dockerfile)["HEALTHCHECK"].partition(" CMD ")[2]
    port = str(urlsplit(server.url).port)
    python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for number, code in ((port, 0), ("1", 1)):
        env = {**os.environ, "PORT": number, "PATH": python}
        asked = subprocess.run(["sh", "-c", check], env=env, capture_output=True, timeout=20, check=False)
        assert asked.returncode == code, asked.stderr


def _registered(api: httpx.Client, version: str) -> str:
    answer = api.post("/v1/releases", json={"artifact": artifact(version=version), "checksum": "ab" * 32})
    assert answer.status_code == 200, answer.text
    return answer.json()["release_id"]


def _promoted(api: httpx.Client, release: str) -> dict[str, Any]:
    body = {"release_id": release, "environment": "local", "window": "1h", "reason": "test"}
    answer = api.post("/v1/promote", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _diff(api: httpx.Client, baseline: str, candidate: str) -> dict[str, Any]:
    body = {"baseline_release_id": baseline, "candidate_release_id": candidate, "window": "1h"}
    answer = api.post("/v1/diff", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _event(release: str, number: int) -> dict[str, Any]:
    return {
        "run_id": f"{release}-{number}",
        "release_id": release,
        "agent_id": "support",
        "tenant_id": "acme",
        "task_id": "refund",
        "environment": "local",
        "timestamp": datetime.now(UTC).isoformat(),
        "metrics": {"latency_ms": 100 + number},
        "usage": {"model": {"provider": "openai", "model": "gpt-4.1-mini", "input_tokens": 900, "output_tokens": 100}},
    }
