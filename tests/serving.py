"""A real ``flightdeck serve`` as a child process, for tests."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

READY = " is ready: "
START_S = 120.0
STOP_S = 10.0
"""How long a stop may take. Only tests of that hold it; the others wait ``PATIENCE_S`` on a busy machine."""
PATIENCE_S = 60.0
FREE_PORTS = ("--port", "0", "--otlp-grpc-port", "0", "--otlp-http-port", "0")


class Server:
    """A server that is ready. ``lines`` is what it said on stderr so far."""

    def __init__(self, process: subprocess.Popen[str], addresses: Mapping[str, str], lines: list[str]) -> None:
        self.process = process
        self.lines = lines
        self.url = addresses["api"]
        self.otlp_grpc = addresses.get("otlp-grpc", "")
        self.otlp_http = addresses.get("otlp-http", "")

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Sends a signal; the exit code, and the seconds it took."""
        begin = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S), time.monotonic() - begin


def command(*arguments: str) -> list[str]:
    """The command line of ``flightdeck …`` in the tests' own environment."""
    return [sys.executable, "-m", "flightdeck.cli.main", *arguments]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of FlightDeck, with changes; the repository is importable."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FLIGHTDECK_")}
    root = str(Path(__file__).parent.parent)
    clean["PYTHONPATH"] = os.pathsep.join(filter(None, (root, clean.get("PYTHONPATH"))))
    return {**clean, **(changes or {})}


@contextmanager
def serving(
    folder: Path, *flags: str, env: Mapping[str, str] | None = None, ports: tuple[str, ...] = FREE_PORTS
) -> Iterator[Server]:
    """Serves a folder until the end of the block, on free ports unless others are given."""
    process = subprocess.Popen(
        command("serve", *ports, *flags), cwd=folder, env=environment(env), stderr=subprocess.PIPE, text=True
    )
    lines: list[str] = []
    try:
        yield Server(process, addresses(process, lines), lines)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def addresses(process: subprocess.Popen[str], lines: list[str]) -> dict[str, str]:
    """Waits for the ready line; reads on in a thread, so that the server never waits for a full pipe."""
    said: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line.rstrip("\n"))
            said.put(line)
        said.put(None)

    threading.Thread(target=read, daemon=True).start()
    until = time.monotonic() + START_S
    while (line := said.get(timeout=max(0.1, until - time.monotonic()))) is not None:
        if READY in line:
            return dict(word.split("=", 1) for word in line.partition(READY)[2].split())
    raise AssertionError(f"the server ended with {process.wait()}: {lines}")
