"""The real flightdeck-ai 1.3.0 in an environment of its own: what workspaces and calls of 1.3 are made with."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

VERSION = "1.3.0"
HOME = Path(__file__).parent.parent / ".cache" / "flightdeck-1.3"
INSTALL_S = 240.0
RUN_S = 280.0
_UNREACHABLE = ("connect", "dns", "resolve", "timed out", "network", "proxy", "tls")


class Unavailable(Exception):
    """It can't be installed: the package registry does not answer."""


class Former:
    """An installed 1.3.0."""

    def __init__(self, home: Path) -> None:
        self._bin = home / "bin"
        self.executable = self._bin / "flightdeck"

    def flightdeck(self, folder: Path, *arguments: str) -> str:
        """Runs its command in a folder; what it printed."""
        return self._run([str(self.executable), *arguments], folder)

    def python(self, folder: Path, script: Path, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Runs a script where its packages are what can be imported; what it printed."""
        return self._run([str(self._bin / "python"), "-I", str(script), *arguments], folder, env)

    def _run(self, command: list[str], folder: Path, env: Mapping[str, str] | None = None) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("FLIGHTDECK_", "PYTHON"))}
        done = subprocess.run(
            command,
            cwd=folder,
            env={**clean, **(env or {})},
            capture_output=True,
            check=False,
            text=True,
            timeout=RUN_S,
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


def installed() -> Former:
    """1.3.0, installed on first use; raises Unavailable when the registry can't be reached."""
    HOME.parent.mkdir(exist_ok=True)
    with HOME.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes side by side
        ready = HOME / "ready"
        if not ready.exists():
            shutil.rmtree(HOME, ignore_errors=True)
            for command in _commands():
                done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=INSTALL_S)
                if done.returncode and any(word in done.stderr.lower() for word in _UNREACHABLE):
                    raise Unavailable(done.stderr.strip().splitlines()[-1])
                assert done.returncode == 0, done.stderr
            ready.touch()
    return Former(HOME)


def _commands() -> list[list[str]]:
    package = f"flightdeck-ai=={VERSION}"
    uv = shutil.which("uv")
    if uv is None:
        return [[sys.executable, "-m", "venv", str(HOME)], [str(HOME / "bin" / "pip"), "install", "-q", package]]
    python = str(HOME / "bin" / "python")
    return [
        [uv, "venv", "-q", "--python", sys.executable, str(HOME)],
        [uv, "pip", "install", "-q", "--python", python, package],
    ]
