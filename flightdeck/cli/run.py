"""``flightdeck run``: starts an agent under zero-code instrumentation, its release named as people name it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import click

from flightdeck import addresses
from flightdeck.cli.connection import Api, NotRunning, Remote, running_server
from flightdeck.cli.folder import workspace
from flightdeck.errors import FlightDeckError, Misconfigured, NotFound, Retryable

AUTO_INSTRUMENTATION = "opentelemetry.instrumentation.auto_instrumentation"
NOT_EXECUTABLE, NO_SUCH_COMMAND = 126, 127
"""Exit codes of a shell that can't start a command."""
PROBE_S = 30.0
SHOWN = 5

_PROBE = f"""
import importlib.util, os
import flightdeck.otel
print(os.path.dirname(importlib.util.find_spec({AUTO_INSTRUMENTATION!r}).origin))
"""


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--release", "release", metavar="ID|AGENT@VERSION", help="The release it runs: its id, or agent@version.")
@click.option("--env", "environment", help="Where it runs, like production.")
@click.option("--runs", is_flag=True, help="Post finished runs instead of spans, where OTLP can't go.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGS]...")
def run(release: str | None, environment: str | None, runs: bool, command: tuple[str, ...]) -> None:
    """Run an agent so that it reports to FlightDeck, without a line of code.

    As opentelemetry-instrument would, with FlightDeck's distribution. The agent takes this command's place: its
    signals and its exit code are its own. The server is the one FLIGHTDECK_URL names, else the one that serves this
    folder. OTEL_* variables that are set keep their meaning.

    \b
    Examples:
      flightdeck run -- python agent.py
      flightdeck run --release support@1.4.0 -- python agent.py --port 8080
      flightdeck run --release rel_0123456789ab -- gunicorn app:app
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    executable = shutil.which(command[0])
    if executable is None:
        _fail(f"{command[0]}: no such command", NO_SUCH_COMMAND)
    folder = _auto_instrumentation(Path(executable))
    environ = dict(os.environ)
    _name_server(environ)
    if release:
        _name_release(environ, release)
    if environment:
        environ["FLIGHTDECK_ENVIRONMENT"] = environment
    if runs:
        environ["OTEL_TRACES_EXPORTER"] = "flightdeck"
    environ.setdefault("OTEL_PYTHON_DISTRO", "flightdeck")
    environ.setdefault("OTEL_PYTHON_CONFIGURATOR", "flightdeck")
    before = [path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != folder]
    # The working directory too, as opentelemetry-instrument has it: for programs that are started as a command.
    here = [] if str(Path.cwd()) in before else [str(Path.cwd())]
    environ["PYTHONPATH"] = os.pathsep.join([folder, *here, *before])
    _replace(executable, command, environ)


def _replace(executable: str, command: Sequence[str], environ: MutableMapping[str, str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(executable, list(command), environ)  # noqa: S606 - the user's own command, in this one's place
    except OSError as error:
        _fail(f"{command[0]}: {error.strerror}", NOT_EXECUTABLE)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    raise SystemExit(code)


def _name_server(environ: MutableMapping[str, str]) -> None:
    """Where no server is named, the one that serves this folder is."""
    if url := environ.get("FLIGHTDECK_URL", "").strip():
        if wrong := addresses.problem(url):
            raise Misconfigured(wrong)
        return
    running = running_server(workspace())
    if running is not None:
        environ["FLIGHTDECK_URL"] = running.url


def _name_release(environ: MutableMapping[str, str], release: str) -> None:
    """Sets the release's id; where the server does not answer, the name and version that it will know it by."""
    agent, at, version = release.partition("@")
    if not at:
        environ["FLIGHTDECK_RELEASE_ID"] = release
        _check_id(environ, release)
        return
    if not agent or not version:
        raise Misconfigured(f"--release {release!r} is neither an id nor agent@version.", hint="Like support@1.4.0.")
    missed = "no server is named and none serves this folder"
    if url := environ.get("FLIGHTDECK_URL", "").strip():
        try:
            environ["FLIGHTDECK_RELEASE_ID"] = _registered(Api(Remote(url)).get("/v1/releases"), agent, version)
        except (NotRunning, Retryable) as error:
            missed = str(error)
        else:
            return
    # An agent is not kept from its work because FlightDeck is away.
    click.echo(f"Warning: {release} could not be looked up ({missed}); its runs are known by that name.", err=True)
    environ.pop("FLIGHTDECK_RELEASE_ID", None)
    environ["FLIGHTDECK_AGENT_ID"] = environ["OTEL_SERVICE_NAME"] = agent
    said = [part for part in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",") if part.strip()]
    others = [part for part in said if part.partition("=")[0].strip() != "service.version"]
    environ["OTEL_RESOURCE_ATTRIBUTES"] = ",".join([*others, f"service.version={version}"])


def _check_id(environ: Mapping[str, str], release: str) -> None:
    """Warns of an id that the server does not know. That is no error: its runs are stored, it may be registered yet."""
    if url := environ.get("FLIGHTDECK_URL", "").strip():
        try:
            known = Api(Remote(url)).get("/v1/releases")["releases"]
        except (FlightDeckError, NotRunning):
            return  # the agent's own exporter tells of a server that is away or refuses
        if all(one["release_id"] != release for one in known):
            click.echo(
                f"Warning: no release {release} is registered: its runs are stored, but no comparison counts them.",
                err=True,
            )


def _registered(answer: Any, agent: str, version: str) -> str:  # noqa: ANN401 - JSON
    """The id of the newest release of an agent's version."""
    releases = answer["releases"]  # the newest first
    for one in releases:
        if (one["agent_id"], one["version"]) == (agent, version):
            return str(one["release_id"])
    versions = list(dict.fromkeys(str(one["version"]) for one in releases if one["agent_id"] == agent))
    agents = list(dict.fromkeys(str(one["agent_id"]) for one in releases))
    known = (
        f"Versions of {agent}: {', '.join(versions[:SHOWN])}" if versions else f"Agents: {', '.join(agents[:SHOWN])}"
    )
    raise NotFound(
        f"No release {agent}@{version} is registered.", hint=f"{known if releases else 'Register it first'}."
    )


def _auto_instrumentation(executable: Path) -> str:
    """The folder whose ``sitecustomize`` sets everything up, of the Python that will run the command.

    Raises:
        Misconfigured: that Python has no FlightDeck.
    """
    interpreter = _interpreter(executable)
    if interpreter is None or interpreter.parent == Path(sys.executable).parent:
        found = find_spec(AUTO_INSTRUMENTATION)
        assert found is not None  # noqa: S101 - a dependency of ours
        assert found.origin is not None  # noqa: S101 - it is a package
        return str(Path(found.origin).parent)
    try:
        done = subprocess.run(  # noqa: S603 - the Python that is about to run anyway
            [str(interpreter), "-c", _PROBE], capture_output=True, text=True, timeout=PROBE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Misconfigured(f"{interpreter} can't be started: {error}") from error
    if done.returncode:
        raise Misconfigured(
            f"{interpreter} has no FlightDeck, so the agent could not report.",
            hint=f"Install it there: {interpreter} -m pip install flightdeck-ai",
        )
    return done.stdout.strip()


def _interpreter(executable: Path) -> Path | None:
    """The Python that a command will run in; None if it is none, or can't be told."""
    if executable.name.startswith("python"):
        return executable
    try:
        with executable.open("rb") as file:
            first = file.readline(512)
    except OSError:
        return None
    words = first[2:].decode("utf-8", "replace").split() if first.startswith(b"#!") else []
    if len(words) > 1 and Path(words[0]).name == "env":
        words = [shutil.which(words[-1]) or ""]
    return Path(words[0]) if words and Path(words[0]).name.startswith("python") else None
