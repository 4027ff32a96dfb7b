"""Every emitter of examples/integration, run as its README says, against a real server, with and without a token."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.serving import Server, environment, serving

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "integration"
TOKEN = "s3cret token"

RELEASE = """\
metadata: {name: support, version: "1.0"}
spec:
  agent: {agent_id: support}
  runtime: {provider: openai, model: gpt-4.1-mini}
  prompts: {system_ref: system.md}
  pricing_reference: {provider: openai, pricing_version: list}
"""


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module", params=["", TOKEN], ids=["open", "token"])
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, str, str]]:
    """A server, the token it asks for, and the id of a registered release of the agent ``support``."""
    folder, token = tmp_path_factory.mktemp("workspace"), request.param
    env = {"FLIGHTDECK_LOCAL_API_TOKEN": token} if token else {}
    (folder / "release.yaml").write_text(RELEASE)
    with serving(folder, env=env) as server:
        registered = subprocess.run(
            [sys.executable, "-m", "flightdeck.cli.main", "release", "register", "release.yaml"],
            cwd=folder,
            env=environment(env),
            capture_output=True,
            text=True,
            check=True,
        )
        yield server, token, registered.stdout.strip()


def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, cwd=EXAMPLES, env=environment(env), capture_output=True, text=True, timeout=60, check=False
    )


def count(server: Server, token: str, release: str) -> int:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    query = {"release_id": release, "window": "1h"}
    return int(httpx.get(f"{server.url}/v1/runs", params=query, headers=headers).json()["matched_total"])


def check(server: Server, token: str, release: str, done: subprocess.CompletedProcess[str], before: int) -> None:
    assert (done.returncode, done.stderr) == (0, "")
    assert count(server, token, release) == before + 1


@pytest.mark.contract("C7.02")
def test_the_python_emitter(target):
    server, token, release = target
    before = count(*target)
    options = ["--base-url", server.url, "--release-id", release, "--agent-id", "support", "--environment", "local"]
    env = {"FLIGHTDECK_LOCAL_API_TOKEN": token}
    done = run(sys.executable, "emit_sample_events.py", *options, env=env)
    check(*target, done, before)
    assert done.stdout == "Inserted 1 event(s).\n"

    shown = run(sys.executable, "emit_sample_events.py", *options, "--dry-run", env=env)
    assert json.loads(shown.stdout)["release_id"] == release
    assert count(*target) == before + 1


@pytest.mark.contract("C7.02")
def test_the_node_emitter(target):
    needs("node")
    server, token, release = target
    before = count(*target)
    options = ["--base-url", server.url, "--release-id", release, "--agent-id", "support", "--api-token", token]
    done = run("node", "emit_sample_events.node.mjs", *options)
    check(*target, done, before)
    assert done.stdout == "Inserted 1 event(s).\n"


@pytest.mark.parametrize("script", ["emit_with_curl.sh", "emit_with_jq.sh"])
@pytest.mark.contract("C7.02")
def test_the_shell_emitters(target, script):
    needs("curl")
    if "jq" in script:
        needs("jq")
    server, token, release = target
    before = count(*target)
    variables = {"RELEASE_ID": release, "AGENT_ID": "support", "BASE_URL": server.url}
    done = run("sh", script, env={**variables, "FLIGHTDECK_LOCAL_API_TOKEN": token})
    check(*target, done, before)


def test_a_wrong_token_is_refused_and_said(target):
    server, token, release = target
    if not token:
        pytest.skip("asks for no token")
    needs("node")
    ids = ["--base-url", server.url, "--release-id", release, "--agent-id", "support", "--api-token", "wrong"]
    python = run(sys.executable, "emit_sample_events.py", *ids)
    node = run("node", "emit_sample_events.node.mjs", *ids)
    variables = {"RELEASE_ID": release, "AGENT_ID": "support", "BASE_URL": server.url}
    shell = run("sh", "emit_with_jq.sh", env={**variables, "FLIGHTDECK_LOCAL_API_TOKEN": "wrong"})
    for done in (python, node, shell):
        assert done.returncode != 0
        assert "401" in done.stderr
        assert "Traceback" not in done.stderr


def test_another_agent_than_the_releases_is_refused(target):
    server, token, release = target
    ids = ["--base-url", server.url, "--release-id", release, "--agent-id", "somebody-else", "--api-token", token]
    done = run(sys.executable, "emit_sample_events.py", *ids)
    assert done.returncode == 1
    assert "400" in done.stderr


@pytest.mark.contract("C7.02")
def test_the_node_emitter_says_how_it_is_used():
    needs("node")
    done = run("node", "emit_sample_events.node.mjs", "--release-id", "x")
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: ")
    assert run("node", "emit_sample_events.node.mjs", "--what").returncode == 2
