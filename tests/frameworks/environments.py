"""One environment for each agent: frameworks pin what others forbid."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "frameworks"
INSTALL_S = 900


def uv(*arguments: str, **env: str) -> str:
    """Runs uv; its output. CalledProcessError says what went wrong on stderr."""
    beside = Path(sys.executable).with_name("uv")
    command = [str(beside) if beside.exists() else shutil.which("uv") or "uv", *arguments]
    done = subprocess.run(
        command, env=os.environ | env, stdout=subprocess.PIPE, text=True, check=True, timeout=INSTALL_S
    )
    return done.stdout


class Environment:
    """A virtual environment that holds FlightDeck's light install and an agent's packages."""

    def __init__(self, name: str) -> None:
        self.path = CACHE / name

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    def make(self, packages: tuple[str, ...], wheel: Path) -> None:
        """Makes it anew."""
        shutil.rmtree(self.path, ignore_errors=True)
        uv("venv", "--quiet", "--python", sys.executable, str(self.path))
        uv("pip", "install", "--quiet", "--python", str(self.python), str(wheel), *packages)

    def add(self, packages: tuple[str, ...]) -> None:
        if packages:
            uv("pip", "install", "--quiet", "--python", str(self.python), *packages)

    def take(self, packages: tuple[str, ...]) -> None:
        if packages:
            uv("pip", "uninstall", "--quiet", "--python", str(self.python), *packages)

    def versions(self, names: tuple[str, ...]) -> dict[str, str]:
        """The installed versions of some packages."""
        listed = json.loads(uv("pip", "list", "--quiet", "--format", "json", "--python", str(self.python)))
        wanted = {re.split(r"[\[<>=!~]", name)[0].lower() for name in names}
        return {one["name"]: one["version"] for one in listed if one["name"].lower() in wanted}

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def light_wheel() -> Path:
    """FlightDeck's wheel without the page, which agents don't need."""
    folder = CACHE / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    uv("build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT), HATCH_BUILD_NO_HOOKS="true")
    (wheel,) = folder.glob("*.whl")
    return wheel
