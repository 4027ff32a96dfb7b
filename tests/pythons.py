"""``python -m tests.pythons [VERSION ...]``: the light install and its tests on every Python that FlightDeck supports.

Each version gets an environment of its own with the light install alone and pytest, no server library. A version that
is not on this machine is fetched by uv; where it can't be, that is said and counts as not tried. Exit code 1 if a
version that was tried fails.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
LIGHT = (
    "tests/unit/test_instrumentation_by_hand.py",
    "tests/unit/test_instrumentation_courier.py",
    "tests/unit/test_instrumentation_distro.py",
    "tests/unit/test_instrumentation_exporter.py",
    "tests/unit/test_instrumentation_mapping.py",
    "tests/unit/test_instrumentation_traces.py",
    "tests/unit/test_instrumentation_types.py",
    "tests/fault/test_instrumentation_content.py",
    "tests/fault/test_instrumentation_endpoint.py",
    "tests/fault/test_instrumentation_processes.py",
    "tests/fault/test_instrumentation_spool.py",
    "tests/e2e/test_otel_variables.py",
)
"""Tests that need nothing of the server."""

TOOLS = ("pytest>=9", "pytest-timeout>=2.4", "mypy>=1.18", "opentelemetry-configuration")
_SERVER = ("chdb", "clickhouse_connect", "fastapi", "sqlalchemy", "scipy", "numpy")


def interpreter(uv: str, version: str) -> str | None:
    """A Python of that version: one that uv or pyenv has, else one that uv fetches; None where it can't be had."""
    for command in (("find",), ("install", "--quiet")):
        subprocess.run([uv, "python", *command, version], capture_output=True, check=False)
        found = subprocess.run([uv, "python", "find", version], capture_output=True, text=True, check=False)
        if found.returncode == 0 and _is(found.stdout.strip(), version):
            return found.stdout.strip()
        for path in sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python")):
            if _is(str(path), version):
                return str(path)
    return None


def _is(python: str, version: str) -> bool:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return told.returncode == 0 and told.stdout.strip() == version


def passes(uv: str, python: str, folder: Path) -> bool:
    """Whether the light install and its tests work there; what they say goes to the terminal."""
    environment = folder / "env"
    binary = environment / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", python, str(environment)], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", str(binary), "--editable", str(ROOT), *TOOLS]
    if subprocess.run(install, check=False).returncode:
        return False
    code = f"import importlib.util as i; print(*(m for m in {_SERVER!r} if i.find_spec(m)))"
    brought = subprocess.run([str(binary), "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    if brought:
        print(f"the light install brings {brought}")
        return False
    path = os.pathsep.join([str(binary.parent), os.environ["PATH"]])
    tests = [str(binary), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib"]
    return not subprocess.run([*tests, *LIGHT], cwd=ROOT, env=os.environ | {"PATH": path}, check=False).returncode


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.pythons", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("versions", nargs="*", default=VERSIONS, metavar="VERSION")
    parser.add_argument("--uv", default=shutil.which("uv") or str(Path(sys.executable).with_name("uv")))
    options = parser.parse_args()
    results = {}
    for version in options.versions:
        python = interpreter(options.uv, version)
        if python is None:
            results[version] = "not tried: it can't be installed here"
            continue
        print(f"== {version}: {python}", flush=True)
        with tempfile.TemporaryDirectory(prefix=f"flightdeck-{version}-") as folder:
            results[version] = "passed" if passes(options.uv, python, Path(folder)) else "FAILED"
    print("\n".join(f"{version}: {result}" for version, result in results.items()))
    sys.exit("FAILED" in results.values())


if __name__ == "__main__":
    main()
