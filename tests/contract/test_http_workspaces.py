"""Several workspaces in one process, as test suites of 1.3's users have them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from flightdeck.server.app import create_app

EVENT = {
    "timestamp": datetime.now(UTC).isoformat(),
    "agent_id": "a",
    "run_id": "the same everywhere",
    "tenant_id": "t",
    "task_id": "k",
    "environment": "local",
    "usage": {"model": {"provider": "p", "model": "m", "input_tokens": 1, "output_tokens": 1}},
}


def use(api: TestClient, name: str, *, known: bool) -> None:
    """Stores the event under a release of this name, and looks for it."""
    counts = api.post("/v1/events", json={"events": [{**EVENT, "release_id": name}]}).json()
    assert (counts["inserted"], counts["duplicates"]) == ((0, 1) if known else (1, 0))
    assert api.get("/v1/runs", params={"release_id": name, "window": "1d"}).json()["matched_total"] == 1
    other = "two" if name == "one" else "one"
    assert api.get("/v1/runs", params={"release_id": other, "window": "1d"}).status_code == 400


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two folders, ``one`` and ``two``."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.contract("C2.33")
def test_one_after_the_other_each_closed_before_the_next(folders: Path, monkeypatch: pytest.MonkeyPatch):
    """Each is read from the current folder when its application is made, and keeps what it stored."""
    for name, known in (("one", False), ("two", False), ("one", True)):
        monkeypatch.chdir(folders / name)
        with TestClient(create_app()) as api:
            use(api, name, known=known)


@pytest.mark.contract("C2.33")
def test_without_a_lifespan_they_give_way_to_each_other(folders: Path, monkeypatch: pytest.MonkeyPatch):
    """A process can have one embedded store open: an application that nobody closes must not keep it for good."""
    clients = {}
    for name in ("one", "two"):
        monkeypatch.chdir(folders / name)
        clients[name] = TestClient(create_app())
    use(clients["one"], "one", known=False)
    use(clients["two"], "two", known=False)
    use(clients["one"], "one", known=True)
    monkeypatch.chdir(folders / "two")
    with TestClient(create_app()) as api:
        use(api, "two", known=True)
