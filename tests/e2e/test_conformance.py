"""The checker against a running server: real payloads in, exactly the expected runs out, over all three wires."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.serving import environment, serving

TESTS = Path(__file__).parents[1]
TRANSPORTS = ("grpc", "http-protobuf", "http-json")
SUPPORT_BOT = {
    "api_version": "v1",
    "kind": "Release",
    "metadata": {"name": "support bot", "version": "1.4.0"},
    "spec": {
        "agent": {"agent_id": "support-bot"},
        "runtime": {"provider": "openai", "model": "gpt-4.1"},
        "prompts": {"system_ref": "prompts/system.md"},
        "pricing_reference": {"provider": "openai", "pricing_version": "list"},
    },
}
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("conformance"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("conformance"), env={"FLIGHTDECK_SETTLE": "2"}) as running:
        yield running


def check(server, *flags):
    """Runs the checker once per transport, all at the same time; what it said where it failed."""
    command = [sys.executable, TESTS / "tools" / "conformance.py", "--corpus", TESTS / "corpus", "--api", server.url]
    command += ["--otlp-http", server.otlp_http, "--otlp-grpc", server.otlp_grpc, *flags]
    checkers = [
        subprocess.Popen(
            [*map(str, command), "--transport", transport],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(),
        )
        for transport in TRANSPORTS
    ]
    said = [checker.communicate(timeout=300)[0] for checker in checkers]
    failed = [text for checker, text in zip(checkers, said, strict=True) if checker.returncode]
    return "\n".join(line for text in failed for line in text.splitlines() if not line.startswith("PASS "))


def test_every_case_of_the_corpus_becomes_exactly_its_runs(server):
    assert check(server) == ""


def test_order_split_and_repetition_of_exports_do_not_matter(server):
    assert check(server, "--shuffle-exports", "--gzip") == ""


def test_a_registered_service_and_version_give_a_run_its_release(tmp_path):
    """On a server of its own: here the release is known before the spans come."""
    with serving(tmp_path, env={"FLIGHTDECK_SETTLE": "2"}) as server:
        body = {"artifact": SUPPORT_BOT, "checksum": "0" * 64, "environment": "staging"}
        answer = httpx.post(f"{server.url}/v1/releases", json=body)
        assert answer.is_success, answer.text
        assert check(server) == ""
