"""``flightdeck run -- …``: the agent starts instrumented, its release looked up by name; then it is on its own."""

import os
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from flightdeck.sdk import FlightdeckClient
from tests.contract.commands import bundle
from tests.serving import Server, command, environment, serving

AGENT = """
import flightdeck.otel, sys
with flightdeck.otel.run(task_id=sys.argv[1], tenant_id="acme", session_id="s"):
    flightdeck.otel.record_llm_call(provider="openai", model="gpt-4.1", input_tokens=7, output_tokens=1)
    flightdeck.otel.score("helpfulness", 0.5)
print("answer")
raise SystemExit(7)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    subprocess.run(command("init"), cwd=folder, env=environment(), check=True, capture_output=True)
    bundle(folder / "a", version="1.4.0", agent="support")
    return folder


@pytest.fixture(scope="module")
def server(folder) -> Iterator[Server]:
    with serving(folder) as server:
        yield server


def flightdeck(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("run", *arguments),
        cwd=folder,
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def registered(folder: Path) -> str:
    done = subprocess.run(
        command("release", "register", str(folder / "a")),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1].removeprefix("release_id=")


@pytest.mark.parametrize("way", ["spans", "runs"])
def test_an_agent_is_started_with_the_release_of_that_name(folder, server, way):
    release = registered(folder)
    options = ["--runs"] if way == "runs" else []
    done = flightdeck(
        folder, "--release", "support@1.4.0", "--env", "eu", *options, "--", sys.executable, "-c", AGENT, way
    )
    assert (done.returncode, done.stdout) == (7, "answer\n"), done.stderr
    client = FlightdeckClient(server.url, timeout_s=30)
    try:
        give_up = time.monotonic() + 30
        while True:
            found = client.list_runs(release_id=release, window="1h", environment="eu", task_id=way)["events"]
            if found or time.monotonic() > give_up:
                break
            time.sleep(0.1)
    finally:
        client.close()
    (made,) = found
    assert (made["agent_id"], made["tenant_id"], made["source"]) == (
        "support",
        "acme",
        "native" if way == "runs" else "otlp",
    )
    assert made["usage"]["model"]["input_tokens"] == 7


def test_a_release_that_is_not_registered_is_an_error_that_names_the_others(folder, server):
    registered(folder)
    done = flightdeck(folder, "--release", "support@9.9.9", "--", sys.executable, "-c", "print('not reached')")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No release support@9.9.9 is registered. Versions of support: 1.4.0." in done.stderr


def test_an_id_that_is_not_registered_is_a_warning_and_the_agent_starts(folder, server):
    program = "import os; print(os.environ['FLIGHTDECK_RELEASE_ID'])"
    no_export = {"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    known = registered(folder)
    for release, warning in ((known, ""), ("rel_000000000000", "Warning: no release rel_000000000000 is registered: ")):
        done = flightdeck(folder, "--release", release, "--", sys.executable, "-c", program, **no_export)
        assert (done.returncode, done.stdout) == (0, f"{release}\n")
        assert done.stderr.startswith(warning), done.stderr
        assert bool(done.stderr) is bool(warning)


def test_a_server_that_is_away_does_not_keep_an_agent_from_its_work(tmp_path):
    program = "import os; print(os.environ['OTEL_SERVICE_NAME'], os.environ['OTEL_RESOURCE_ATTRIBUTES'])"
    done = flightdeck(
        tmp_path,
        *("--release", "support@1.4.0", "--", sys.executable, "-c", program),
        FLIGHTDECK_URL="http://127.0.0.1:1",
        OTEL_RESOURCE_ATTRIBUTES="team=a,service.version=0",
        OTEL_TRACES_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    assert (done.returncode, done.stdout) == (0, "support team=a,service.version=1.4.0\n")
    assert "support@1.4.0 could not be looked up" in done.stderr


def test_signals_and_the_process_are_the_agent_s_own(tmp_path):
    program = """
import os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))
print(os.getpid(), flush=True)
signal.pause()
"""
    agent = subprocess.Popen(
        command("run", "--", sys.executable, "-c", program),
        cwd=tmp_path,
        env=environment({"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert agent.stdout is not None
        assert int(agent.stdout.readline()) == agent.pid
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(30) == 42
    finally:
        agent.kill()
        agent.wait()


def test_what_the_user_set_is_kept(tmp_path):
    program = "import os, sys; print(*(os.environ[name] for name in sys.argv[1:]), sep='|')"
    given = {
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_PYTHON_DISTRO": "other",
        "OTEL_PYTHON_CONFIGURATOR": "other",
        "FLIGHTDECK_RELEASE_ID": "rel_mine",
    }
    done = flightdeck(tmp_path, "--", sys.executable, "-c", program, *given, **given)
    assert done.stdout == "|".join(given.values()) + "\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--", "no-such-command"], 127, "no-such-command: no such command"),
        ([], 2, "Missing argument"),
        (["--release", "support@", "--", "true"], 1, "neither an id nor agent@version"),
    ],
)
def test_what_can_not_be_started_is_one_clear_line(tmp_path, arguments, code, said):
    done = flightdeck(tmp_path, *arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_python_without_flightdeck_is_named(tmp_path):
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    done = subprocess.run(
        command("run", "--", str(python), "-c", "print('not reached')"),
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{python} has no FlightDeck" in done.stderr
    assert "pip install flightdeck-ai" in done.stderr
