"""``flightdeck run``: starts an agent under zero-code instrumentation, its release named as people name it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import click

from flightdeck import addresses
from flightdeck.cli.connection import API_HINT, Api, NotRunning, Remote, running_server
from flightdeck.cli.folder import workspace
from flightdeck.errors import FlightDeckError, Misconfigured, NotFound, Retryable, StoreUnavailable

AUTO_INSTRUMENTATION = "opentelemetry.instrumentation.auto_instrumentation"
NOT_EXECUTABLE, NO_SUCH_COMMAND = 126, 127
"""Exit codes of a shell that can't start a command."""
PROBE_S = 30.0
LOOKUP_S = 5.0
"""How long the server may say nothing to a request that the agent's start waits for."""
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
@click.option("--strict", is_flag=True, help="Do not start it if the release can't be found on the server.")
@click.option("-v", "--verbose", is_flag=True, help="Say on stderr which instrumentations are on, and which are not.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND [ARGS]...")
def run(
    release: str | None, environment: str | None, runs: bool, strict: bool, verbose: bool, command: tuple[str, ...]
) -> None:
    """Run an agent so that it reports to FlightDeck, without a line of code.

    As opentelemetry-instrument would, with FlightDeck's distribution. The agent takes this command's place: its
    signals and its exit code are its own. The server is the one FLIGHTDECK_URL names, else the one that serves this
    folder; whatever it says of the release, or if it says nothing, the agent starts, unless --strict is given. OTEL_*
    variables that are set keep their meaning.

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
        _name_release(environ, release, strict=strict)
    if environment:
        environ["FLIGHTDECK_ENVIRONMENT"] = environment
    if runs:
        environ["OTEL_TRACES_EXPORTER"] = "flightdeck"
    if verbose:
        environ["FLIGHTDECK_VERBOSE"] = "true"
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


def _sentence(error: FlightDeckError) -> str:
    """What the error says; a server's own words may lack the full stop."""
    said = str(error)
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _name_server(environ: MutableMapping[str, str]) -> None:
    """Where no server is named, the one that serves this folder is."""
    if url := environ.get("FLIGHTDECK_URL", "").strip():
        if wrong := addresses.problem(url):
            raise Misconfigured(wrong)
        return
    try:
        running = running_server(workspace(), timeout_s=LOOKUP_S)
    except Retryable as error:
        click.echo(f"Warning: {_sentence(error)} The agent starts; it reports to no server of this folder.", err=True)
        return
    if running is not None:
        environ["FLIGHTDECK_URL"] = running.url


def _name_release(environ: MutableMapping[str, str], release: str, *, strict: bool) -> None:
    """Sets the release's id; where the server does not tell it, the agent and version that runs are known by.

    Raises:
        Misconfigured: it is neither an id nor agent@version.
        FlightDeckError: with ``strict``, why it was not found.
    """
    agent, at, version = release.partition("@")
    if at and not (agent and version):
        raise Misconfigured(f"--release {release!r} is neither an id nor agent@version.", hint="Like support@1.4.0.")
    try:
        environ["FLIGHTDECK_RELEASE_ID"] = _registered(_releases(environ), release)
    except FlightDeckError as error:
        if strict:
            raise
        # An agent is not kept from its work because FlightDeck is away, or does not know it yet. Of a server that is
        # away the agent's own exporter tells; an id needs none.
        if at or isinstance(error, NotFound):
            known_by = f"agent {agent} and version {version}" if at else "that id"
            click.echo(f"Warning: {_sentence(error)} The agent starts; its runs are known by {known_by}.", err=True)
    else:
        return
    if not at:
        environ["FLIGHTDECK_RELEASE_ID"] = release
        return
    environ.pop("FLIGHTDECK_RELEASE_ID", None)
    environ["FLIGHTDECK_AGENT_ID"] = environ["OTEL_SERVICE_NAME"] = agent
    said = [part for part in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",") if part.strip()]
    others = [part for part in said if part.partition("=")[0].strip() != "service.version"]
    environ["OTEL_RESOURCE_ATTRIBUTES"] = ",".join([*others, f"service.version={version}"])


def _releases(environ: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Id, agent and version of the server's releases, the newest first."""
    url = environ.get("FLIGHTDECK_URL", "").strip()
    if not url:
        raise StoreUnavailable("The release is not looked up: no server is named and none serves this folder.")
    try:
        told = Api(Remote(url, timeout_s=LOOKUP_S)).get("/v1/releases")
        return [(str(one["release_id"]), str(one["agent_id"]), str(one["version"])) for one in told["releases"]]
    except NotRunning as error:
        raise StoreUnavailable(f"The server at {url} does not answer: {error}.") from error
    except (LookupError, TypeError, ValueError) as error:
        raise Misconfigured(f"What answers at {url} does not list releases.", hint=API_HINT) from error


def _registered(releases: Sequence[tuple[str, str, str]], release: str) -> str:
    """The id of the release that is given by id, or of the newest of an agent's version."""
    for release_id, agent, version in releases:
        if release in (release_id, f"{agent}@{version}"):
            return release_id
    wanted = release.partition("@")[0]
    versions = list(dict.fromkeys(version for _, agent, version in releases if agent == wanted))
    agents = list(dict.fromkeys(agent for _, agent, _ in releases))
    known = (
        f"Versions of {wanted}: {', '.join(versions[:SHOWN])}" if versions else f"Agents: {', '.join(agents[:SHOWN])}"
    )
    raise NotFound(
        f"No release {release} is registered: no comparison counts its runs until it is.",
        hint=f"{known}." if releases else "",
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
