"""``flightdeck run -- …``: the agent starts instrumented, its release looked up by name; then it is on its own."""

import os
import signal
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
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


SILENT = {"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
KNOWN_AS = "import os; print(os.environ.get('OTEL_SERVICE_NAME'), os.environ.get('OTEL_RESOURCE_ATTRIBUTES'))"


def warned(done: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr, of an agent that has run."""
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_a_release_that_is_not_registered_is_a_warning_that_names_the_others(folder, server):
    registered(folder)
    asked = ("--release", "support@9.9.9", "--", sys.executable, "-c", KNOWN_AS)
    done = flightdeck(folder, *asked, **SILENT)
    assert done.stdout == "support service.version=9.9.9\n"
    line = warned(done)
    assert line.startswith("Warning: No release support@9.9.9 is registered: "), line
    assert "Versions of support: 1.4.0. The agent starts; its runs are known by agent support and version 9.9.9" in line
    strict = flightdeck(folder, "--strict", *asked, **SILENT)
    assert (strict.returncode, strict.stdout) == (1, "")
    assert "Error: No release support@9.9.9 is registered" in strict.stderr


def test_an_id_that_is_not_registered_is_a_warning_and_the_agent_starts(folder, server):
    program = "import os; print(os.environ['FLIGHTDECK_RELEASE_ID'])"
    known, unknown = registered(folder), "rel_000000000000"
    done = flightdeck(folder, "--release", known, "--strict", "--", sys.executable, "-c", program, **SILENT)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{known}\n", "")
    done = flightdeck(folder, "--release", unknown, "--", sys.executable, "-c", program, **SILENT)
    assert done.stdout == f"{unknown}\n"
    assert warned(done).startswith(f"Warning: No release {unknown} is registered: ")
    done = flightdeck(folder, "--release", unknown, "--strict", "--", sys.executable, "-c", program, **SILENT)
    assert (done.returncode, done.stdout) == (1, "")


def test_a_wrong_token_does_not_keep_an_agent_from_its_work(tmp_path):
    subprocess.run(command("init"), cwd=tmp_path, env=environment(), check=True, capture_output=True)
    with serving(tmp_path, env={"FLIGHTDECK_LOCAL_API_TOKEN": "right"}) as locked:
        given = SILENT | {"FLIGHTDECK_URL": locked.url, "FLIGHTDECK_LOCAL_API_TOKEN": "wrong"}
        done = flightdeck(tmp_path, "--release", "support@1.4.0", "--", sys.executable, "-c", KNOWN_AS, **given)
        strict = flightdeck(
            tmp_path, "--release", "support@1.4.0", "--strict", "--", sys.executable, "-c", KNOWN_AS, **given
        )
    assert done.stdout == "support service.version=1.4.0\n"
    line = warned(done)
    assert "FLIGHTDECK_LOCAL_API_TOKEN" in line, line
    assert line.endswith("The agent starts; its runs are known by agent support and version 1.4.0."), line
    assert (strict.returncode, strict.stdout) == (1, "")
    assert strict.stderr.startswith("Error: "), strict.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", ""])
def test_a_server_that_is_away_does_not_keep_an_agent_from_its_work(tmp_path, url):
    done = flightdeck(
        tmp_path,
        *("--release", "support@1.4.0", "--", sys.executable, "-c", KNOWN_AS),
        FLIGHTDECK_URL=url,
        OTEL_RESOURCE_ATTRIBUTES="team=a,service.version=0",
        **SILENT,
    )
    assert done.stdout == "support team=a,service.version=1.4.0\n"
    assert ("does not answer" if url else "no server is named") in warned(done)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b'{"releases": [1]}', "does not list releases"),
        (403, b'{"detail": "no"}', "Warning: no. The agent starts; "),
    ],
)
def test_what_answers_there_and_is_no_flightdeck_does_not_either(tmp_path, status, body, said):
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{other.server_port}"
        asked = ("--release", "support@1.4.0", "--", sys.executable, "-c", KNOWN_AS)
        done = flightdeck(tmp_path, *asked, FLIGHTDECK_URL=url, **SILENT)
        other.shutdown()
    assert done.stdout == "support service.version=1.4.0\n"
    assert said in warned(done)


def installed(folder: Path, name: str, code: str, requires: str = "") -> None:
    """An instrumentation as a package in a folder; ``requires`` is the library that it is for."""
    (folder / f"{name}.py").write_text(
        "from opentelemetry.instrumentation.instrumentor import BaseInstrumentor\n"
        "class Instrumentor(BaseInstrumentor):\n"
        "    def instrumentation_dependencies(self): return []\n"
        f"    def _instrument(self, **kwargs): {code}\n"
        "    def _uninstrument(self, **kwargs): pass\n"
    )
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    needed = f'Provides-Extra: instruments\nRequires-Dist: {requires}; extra == "instruments"\n' if requires else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needed}")
    (info / "entry_points.txt").write_text(f"[opentelemetry_instrumentor]\n{name} = {name}:Instrumentor\n")


def test_which_instrumentations_are_on_and_which_are_not_is_told_when_asked(tmp_path):
    """One that raises, too, costs only itself: those that come after it are switched on."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in ("fine_one", "fine_two"):
        installed(packages, name, "pass")
    installed(packages, "fails", "raise RuntimeError('broken')")
    installed(packages, "for_nobody", "pass", "no-such-library >= 2")
    installed(packages, "for_others", "pass", "click < 1")
    installed(packages, "unwanted", "pass")
    of_another = packages / "another-1.0.dist-info"  # two packages have an instrumentation of that name
    of_another.mkdir()
    (of_another / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1.0\n")
    (of_another / "entry_points.txt").write_text("[opentelemetry_instrumentor]\nfine_one = fine_two:Instrumentor\n")
    given = SILENT | {"PYTHONPATH": f"{environment()['PYTHONPATH']}{os.pathsep}{packages}"}
    given["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = "unwanted"
    done = flightdeck(tmp_path, "--verbose", "--", sys.executable, "-c", "print('on')", **given)
    assert (done.returncode, done.stdout) == (0, "on\n"), done.stderr
    (line,) = (line for line in done.stderr.splitlines() if "instrumentations on: " in line)
    on, _, off = line.partition("; off: ")
    named = on.partition("on: ")[2].split(", ")
    assert {"fine_one", "fine_two"} <= set(named)
    assert len(named) == len(set(named))
    assert "fails (it failed: RuntimeError('broken'))" in off
    assert "for_nobody (needs no-such-library>=2, found none)" in off
    assert "for_others (needs click<1, found click " in off
    assert "unwanted (by OTEL_PYTHON_DISABLED_INSTRUMENTATIONS)" in off
    quiet = flightdeck(tmp_path, "--", sys.executable, "-c", "print('on')", **given)
    assert "instrumentations on" not in quiet.stderr
    assert "instrumentation fails is off, it failed: RuntimeError('broken')" in quiet.stderr


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
