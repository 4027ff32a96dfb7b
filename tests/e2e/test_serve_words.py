"""What ``flightdeck serve`` says when it is interrupted, and in its log: everything once, nothing more."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serving import FREE_PORTS, READY, environment, serving


@contextmanager
def begun(folder: Path, *python: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, *python, "-m", "flightdeck.cli.main", "serve", *FREE_PORTS],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"it ended with {process.wait()} and never said {words!r}")


@pytest.mark.parametrize(
    ("python", "words"),
    [(("-X", "importtime"), "starlette.types"), ((), "NOTICE: no flightdeck.yaml")],
    ids=["in the middle of imports", "before anything is opened"],
)
def test_ctrl_c_during_the_start_is_quiet(tmp_path, python, words):
    with begun(tmp_path, *python) as process:
        until(process, words)
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=30)
    assert process.returncode in (0, 130)
    assert said == ""
    assert [line for line in complained.splitlines() if not line.startswith("import time:")] == []


def test_the_log_has_each_line_once_and_none_of_uvicorn_s_news(tmp_path):
    with begun(tmp_path) as process:
        api = until(process, READY).partition("api=http://")[2].split()[0]
        host, _, port = api.partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(b"this is no HTTP\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400")
        process.send_signal(signal.SIGINT)
        _, logged = process.communicate(timeout=30)
    (line,) = logged.splitlines()
    assert line.endswith("WARNING uvicorn.error: Invalid HTTP request received.")


@pytest.mark.contract("C1.10")
def test_a_server_that_others_can_reach_without_a_token_says_so(tmp_path):
    with serving(tmp_path, "--host", "0.0.0.0") as server:
        told = [line for line in server.lines if "FLIGHTDECK_LOCAL_API_TOKEN" in line]
    assert len(told) == 1
    assert told[0].startswith("WARNING: listening on 0.0.0.0 without FLIGHTDECK_LOCAL_API_TOKEN")
