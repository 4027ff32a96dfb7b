"""The demo's child processes: the server, the agents, and the commands in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from flightdeck.announcement import SERVER_FILE
from flightdeck.demo.errors import DemoFailed

START_S = 60.0
STOP_S = 15.0
COMMAND_S = 120.0

_OWN = ("OTEL_", "FLIGHTDECK_", "OPENAI_")
_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}


def environment(**added: str) -> dict[str, str]:
    """This process's environment without what would lead a child astray, with what it needs."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(_OWN) and name.lower() not in _PROXIES
    }
    return inherited | added


def stop(process: subprocess.Popen[Any]) -> None:
    """Ends a child that this process started: asks first, then insists."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs ``flightdeck`` commands in a workspace, as a person would."""

    workspace: Path

    def __call__(self, *arguments: str) -> str:
        """Runs one command and returns what it printed; an exit code other than 0 is the demo's failure."""
        _, said = self.answer(*arguments, exit_codes=(0,))
        return said

    def answer(self, *arguments: str, exit_codes: Sequence[int]) -> tuple[int, str]:
        """Runs one command that may end with any of some exit codes; returns the one it was and what it printed."""
        try:
            done = subprocess.run(  # noqa: S603 - our own command line
                [sys.executable, "-m", "flightdeck.cli.main", *arguments],
                cwd=self.workspace,
                env=environment(),
                capture_output=True,
                text=True,
                timeout=COMMAND_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DemoFailed(f"`flightdeck {' '.join(arguments)}` did not end in {COMMAND_S:.0f} s.") from error
        if done.returncode not in exit_codes:
            said = (done.stderr or done.stdout).strip()
            raise DemoFailed(f"`flightdeck {' '.join(arguments)}` ended with {done.returncode}: {said}")
        return done.returncode, done.stdout.strip()


class Server:
    """``flightdeck serve`` on free ports, from ``with`` on; the end of the block stops it.

    Args:
        workspace: the folder it serves.
        port: of the API; 0 takes any free one.
        settings: variables for the server alone.
    """

    def __init__(self, workspace: Path, port: int = 0, **settings: str) -> None:
        self._workspace = workspace
        self._port = port
        self._settings = settings
        self._log = workspace / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._told: dict[str, Any] = {}

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [
                    *(sys.executable, "-m", "flightdeck.cli.main", "serve", "--host", "127.0.0.1"),
                    *("--port", str(self._port), "--otlp-grpc-port", "0", "--otlp-http-port", "0"),
                ],
                cwd=self._workspace,
                env=environment(**self._settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait(self._process)
        except BaseException:
            stop(self._process)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            stop(self._process)

    @property
    def url(self) -> str:
        """The API and the page."""
        return str(self._told["url"])

    @property
    def otlp_grpc(self) -> str:
        """Where OTLP over gRPC goes."""
        return str(self._told["otlp_grpc"])

    @property
    def otlp_http(self) -> str:
        """Where OTLP over HTTP goes."""
        return str(self._told["otlp_http"])

    @property
    def pid(self) -> int:
        """The process."""
        return int(self._told["pid"])

    def wait(self) -> None:
        """Returns when the server ends by itself."""
        if self._process is not None:
            self._process.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Until the server says where it listens; it writes its file once it answers."""
        file = self._workspace / SERVER_FILE
        give_up = time.monotonic() + START_S
        while not self._told:
            if process.poll() is not None or time.monotonic() > give_up:
                raise DemoFailed(f"The server did not start: {_last_words(self._log)}")
            time.sleep(0.05)
            if file.exists():
                told = json.loads(file.read_text(encoding="utf-8"))
                self._told = told if told["pid"] == process.pid else {}  # else it was left by another


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an agent made of a ticket; ``error`` is None when it was solved."""

    ticket: str
    error: str | None


class Agent:
    """One release of the example agent in a process of its own, under ``opentelemetry-instrument``."""

    def __init__(
        self,
        folder: Path,
        release: Path,
        log: Path,
        env: Mapping[str, str],
        *,
        at_once: int,
        on_outcome: Callable[[Agent, Outcome], None],
    ) -> None:
        self.outcomes: list[Outcome] = []
        self.sent = 0
        self.release = release.name
        self._log = log
        self._on_outcome = on_outcome
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [
                    *(str(instrument_command()), sys.executable, str(folder / "agent.py")),
                    *("--release", str(release), "--at-once", str(at_once)),
                ],
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, name=f"outcomes-{release.name}", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    @property
    def under_way(self) -> int:
        """Tickets sent and not answered."""
        return self.sent - len(self.outcomes)

    def send(self, ticket: str) -> None:
        """Hands over a ticket (one line of JSON)."""
        try:
            _pipe(self._process.stdin).write(ticket + "\n")
            _pipe(self._process.stdin).flush()
        except OSError as error:
            raise self.failure() from error
        self.sent += 1

    def finish(self, timeout_s: float = STOP_S) -> None:
        """Tells the agent that there are no more tickets, and waits until it has reported everything and ended."""
        try:
            _pipe(self._process.stdin).close()
            code = self._process.wait(timeout_s)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self.failure() from error
        self._reader.join(timeout_s)
        if code != 0 or self.under_way:
            raise self.failure()

    def stop(self) -> None:
        """Ends the process, whatever it is doing."""
        stop(self._process)

    def failure(self) -> DemoFailed:
        """What the process said before it went wrong."""
        return DemoFailed(
            f"The agent of release {self.release} went wrong (exit code {self._process.poll()}, {self.under_way} "
            f"tickets open): {_last_words(self._log)}"
        )

    def _read(self) -> None:
        for line in _pipe(self._process.stdout):
            told = json.loads(line)
            outcome = Outcome(told["ticket"], told["error"])
            self.outcomes.append(outcome)
            self._on_outcome(self, outcome)


def _last_words(log: Path) -> str:
    """The end of a log, in one line."""
    return " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:]) or "it said nothing"


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # noqa: S101 - it was asked for
    return stream


def instrument_command() -> Path:
    """The command ``opentelemetry-instrument`` of this Python; DemoFailed when it is not installed."""
    command = Path(sys.executable).with_name("opentelemetry-instrument")
    if not command.exists():
        raise DemoFailed(f"{command} is missing.", hint="Reinstall: pip install 'flightdeck-ai[server,demo]'")
    return command
