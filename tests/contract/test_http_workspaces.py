"""Several workspaces in one process, as test suites of 1.3's users have them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from flightdeck.server.app import create_app


def test_several_workspaces_one_after_the_other_in_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each is read from the current folder when its application is made, and keeps what it stored."""
    event = {
        "timestamp": datetime.now(UTC).isoformat(),
        "agent_id": "a",
        "run_id": "the same everywhere",
        "tenant_id": "t",
        "task_id": "k",
        "environment": "local",
        "usage": {"model": {"provider": "p", "model": "m", "input_tokens": 1, "output_tokens": 1}},
    }
    for name in ("one", "two", "one"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        with TestClient(create_app()) as api:
            known = api.get("/v1/runs", params={"release_id": name, "window": "1d"}).status_code == 200
            counts = api.post("/v1/events", json={"events": [{**event, "release_id": name}]}).json()
            assert (counts["inserted"], counts["duplicates"]) == ((0, 1) if known else (1, 0))
            assert api.get("/v1/runs", params={"release_id": name, "window": "1d"}).json()["matched_total"] == 1
            other = "two" if name == "one" else "one"
            assert api.get("/v1/runs", params={"release_id": other, "window": "1d"}).status_code == 400
