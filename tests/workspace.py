"""A workspace in this process, for tests: the real application under a test client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from flightdeck.server.app import create_app
from flightdeck.settings import load


@contextmanager
def client(folder: Path, **overrides: Any) -> Iterator[TestClient]:
    """The API of a workspace, called as from this machine; open until the end of the block."""
    with TestClient(create_app(load(overrides, workspace=folder))) as api:
        yield api


def artifact(agent_id: str = "support", version: str = "1.0.0", pricing_version: str = "p1") -> dict[str, Any]:
    """A release's artifact, as small as may be."""
    return {
        "metadata": {"name": agent_id, "version": version},
        "spec": {
            "agent": {"agent_id": agent_id},
            "runtime": {"provider": "openai", "model": "gpt-4.1-mini"},
            "prompts": {"system_ref": "system.md"},
            "pricing_reference": {"provider": "openai", "pricing_version": pricing_version},
        },
    }


def register(api: TestClient, **fields: Any) -> str:
    """Registers a release; its id."""
    answer = api.post("/v1/releases", json={"artifact": artifact(**fields), "checksum": "ab" * 32})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["release_id"])
