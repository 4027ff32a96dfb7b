"""Servers as child processes, and what they cost: CPU time and memory, as the kernel counts them."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.serving import Server, serving

ROOT = Path(__file__).parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
TMPFS = Path("/dev/shm")
START_S = 60.0


def say(text: str) -> None:
    """Progress, on stderr."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, in user and kernel mode (resolution: 10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> tuple[int, int]:
    """Resident memory now and at its peak, in MB (10^6 bytes)."""
    status = Path(f"/proc/{pid}/status").read_text()
    now, peak = (int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) for name in ("VmRSS", "VmHWM"))
    return now * 1024 // 10**6, peak * 1024 // 10**6


def until_quiet(pid: int, *, most_s: float = 30.0) -> None:
    """Waits until a process uses less than 5 % of a core: its merges are done."""
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline:
        before = cpu_s(pid)
        time.sleep(1)
        if cpu_s(pid) - before < 0.05:
            return


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on disk, gone with the block."""
    with tempfile.TemporaryDirectory(prefix="flightdeck-bench-") as name:
        yield Path(name)


@contextmanager
def flightdeck(where: Path) -> Iterator[Server]:
    """This FlightDeck, with default settings but for the settle time; its temporary files on tmpfs."""
    env = {"FLIGHTDECK_SETTLE": "2"} | ({"TMPDIR": str(TMPFS)} if TMPFS.is_dir() else {})
    with serving(where, env=env) as server:
        yield server


@dataclass(frozen=True)
class Peer:
    """Another program that takes what FlightDeck takes."""

    pid: int
    url: str
    grpc: str = ""
    program: str = ""


@contextmanager
def blackhole(where: Path) -> Iterator[Peer]:
    """The collector rotel, which receives OTLP and throws it away."""
    package = find_spec("rotel")
    if package is None or package.origin is None:
        raise SystemExit("The peer rotel is missing: pip install rotel")
    http, grpc = _free_port(), _free_port()
    command = [
        *(str(Path(package.origin).with_name("rotel-agent")), "start", "--exporter", "blackhole"),
        *("--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--otlp-http-endpoint", f"127.0.0.1:{http}"),
        *("--pid-file", str(where / "rotel.pid"), "--log-file", str(where / "rotel.log")),
    ]
    with _running(command, where) as process:
        _until_listening(grpc)
        _until_listening(http)
        yield Peer(process.pid, f"http://127.0.0.1:{http}", f"grpc://127.0.0.1:{grpc}")


@contextmanager
def flightdeck_1_3(where: Path) -> Iterator[Peer]:
    """FlightDeck 1.3.0, installed into an environment of its own under ``.cache`` when it is first asked for."""
    port = _free_port()
    program = _installed_1_3()
    subprocess.run([program, "init"], cwd=where, env=peers_environment(), check=True, capture_output=True)
    with _running([str(program), "serve", "--port", str(port)], where) as process:
        _until_listening(port)
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                urlopen(f"{url}/health", timeout=5).close()
            except (URLError, OSError):
                time.sleep(0.1)
            else:
                break
        yield Peer(process.pid, url, program=str(program))


def peers_environment() -> dict[str, str]:
    """This process's environment without what would lead a peer to this FlightDeck."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("FLIGHTDECK_", "PYTHONPATH"))}


def _installed_1_3() -> Path:
    home = ROOT / ".cache" / "flightdeck-1.3.0"
    program = home / "bin" / "flightdeck"
    if not program.exists():
        say("installing flightdeck-ai 1.3.0 into .cache")
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        pip = [home / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "flightdeck-ai==1.3.0"], check=True, capture_output=True, timeout=600)
    return program


@contextmanager
def _running(command: list[str], where: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (where / "peer.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=where, env=peers_environment(), stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def module(name: str, *arguments: object, timeout_s: float, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Runs a module of the benchmarks as a process of its own; what it prints, which is one line of JSON."""
    ran = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        check=True,
        timeout=timeout_s,
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _until_listening(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")
