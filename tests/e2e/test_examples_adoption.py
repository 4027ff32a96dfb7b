"""examples/integration/adoption: each prints an event and posts it to a real server; --live asks a scripted model."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.llm import Model
from tests.serving import Server, environment, serving

EXAMPLES = Path(__file__).parents[2] / "examples" / "integration" / "adoption"
TOKEN = "s3cret token"
RELEASE = """\
metadata: {name: support, version: "1.0"}
spec:
  agent: {agent_id: support}
  runtime: {provider: openai, model: gpt-4.1-mini}
  prompts: {system_ref: system.md}
  pricing_reference: {provider: openai, pricing_version: list}
"""
NEEDS = {"openai_agents": "agents", "langchain": "langchain_core"}
EXPECTED = {
    "openai_chat": ("openai", 400, 128, 120),
    "anthropic_messages": ("anthropic", 400, 100, 120),
    "openai_agents": ("openai", 700, 0, 120),
    "langchain": ("openai", 400, 128, 120),
    "crewai": ("openai", 700, 128, 120),
    "temporal": ("openai", 400, 0, 120),
}
"""Provider, input with cached tokens, cached, output."""


@pytest.fixture(scope="module")
def target(tmp_path_factory) -> Iterator[tuple[Server, str]]:
    """A server with a token, and the id of a release of the agent ``support``."""
    folder = tmp_path_factory.mktemp("workspace")
    env = {"FLIGHTDECK_LOCAL_API_TOKEN": TOKEN}
    (folder / "release.yaml").write_text(RELEASE)
    with serving(folder, env=env) as server:
        command = [sys.executable, "-m", "flightdeck.cli.main", "release", "register", "release.yaml"]
        done = subprocess.run(command, cwd=folder, env=environment(env), capture_output=True, text=True, check=True)
        yield server, done.stdout.strip()


def run(name: str, *options: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *options]
    return subprocess.run(command, env=environment(env), capture_output=True, text=True, timeout=60, check=False)


def usage(event: dict) -> tuple[str, int, int, int]:
    model = event["usage"]["model"]
    return model["provider"], model["input_tokens"], model["cached_input_tokens"], model["output_tokens"]


def stored(server: Server, release: str, label: str) -> list[dict]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = httpx.get(f"{server.url}/v1/runs", params={"release_id": release, "window": "1h"}, headers=headers).json()
    return [event for event in answer["events"] if event["labels"]["integration"] == label]


@pytest.mark.contract("C7.03")
def test_no_example_is_left_out():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == EXPECTED.keys() | {"delivery"}


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.contract("C7.03")
def test_an_example_prints_an_event_and_posts_it(target, name):
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    printed = run(name)
    assert (printed.returncode, printed.stderr) == (0, "")
    (event,) = json.loads(printed.stdout)["events"]
    assert usage(event) == EXPECTED[name]

    server, release = target
    options = ["--ingest", "--base-url", server.url, "--release-id", release, "--agent-id", "support"]
    done = run(name, *options, env={"FLIGHTDECK_LOCAL_API_TOKEN": TOKEN})
    assert (done.returncode, done.stdout, done.stderr) == (0, "Inserted 1 event(s).\n", "")
    (found,) = stored(server, release, event["labels"]["integration"])
    assert usage(found) == EXPECTED[name]
    assert found["labels"] == event["labels"]


@pytest.mark.parametrize(("name", "library"), [("openai_chat", "openai"), ("anthropic_messages", "anthropic")])
def test_a_live_example_asks_the_provider(name, library):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    with Model() as llm:
        done = run(
            name,
            "--live",
            env={
                "OPENAI_BASE_URL": f"{llm.url}/v1",
                "OPENAI_API_KEY": "none",
                "ANTHROPIC_BASE_URL": llm.url,
                "ANTHROPIC_API_KEY": "none",
                "PYTHONWARNINGS": "ignore",
            },
        )
        assert (done.returncode, done.stderr) == (0, "")
        (event,) = json.loads(done.stdout)["events"]
        assert usage(event)[1:] == (100, 20, 10)
        assert len(llm.answered) == 1


def test_a_refusal_and_a_dead_server_are_one_line_each(target):
    server, release = target
    options = ["--ingest", "--release-id", release]
    refused = run("temporal", *options, "--base-url", server.url)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("401: ")
    dead = run("temporal", *options, "--base-url", "http://127.0.0.1:9")
    assert (dead.returncode, dead.stdout, dead.stderr.count("\n")) == (1, "", 1)
