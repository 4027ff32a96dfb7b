"""Deliberate differences to 1.3 that no other test is about (docs/differences.md)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from tests.contract.http_promotion_parts import furnish
from tests.workspace import client, register


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("open")) as opened:
        furnish(opened)
        yield opened


def event(release_id: str, run_id: str, timestamp: str) -> dict[str, object]:
    return {
        "timestamp": timestamp,
        "agent_id": "support",
        "release_id": release_id,
        "run_id": f"{release_id}-{run_id}",
        "tenant_id": "t",
        "task_id": "k",
        "environment": "local",
        "usage": {"model": {"provider": "openai", "model": "gpt-4.1-mini", "input_tokens": 10, "output_tokens": 1}},
    }


def test_times_with_and_without_a_zone_are_the_same_moments(api):
    """D3. 1.3 compared them as text: +05:00 sorted before the window's end though it was after, or answered 500."""
    release = register(api)
    now = datetime.now(UTC)
    early, late = now - timedelta(minutes=50), now - timedelta(minutes=70)
    spellings = {
        "naive": early.replace(tzinfo=None).isoformat(),
        "zulu": early.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "east": early.astimezone(tz=datetime.strptime("+0530", "%z").tzinfo).isoformat(),
        "west": early.astimezone(tz=datetime.strptime("-0800", "%z").tzinfo).isoformat(),
        "epoch": str(early.timestamp()),
        "too late, naive": late.replace(tzinfo=None).isoformat(),
        "too late, east": late.astimezone(tz=datetime.strptime("+0530", "%z").tzinfo).isoformat(),
    }
    events = [event(release, name, at) for name, at in spellings.items()]
    assert api.post("/v1/events", json={"events": events}).json()["inserted"] == len(events)
    page = api.get("/v1/runs", params={"release_id": release, "window": "1h"})
    assert page.status_code == 200
    listed = {run["run_id"].partition("-")[2]: run["timestamp"] for run in page.json()["events"]}
    assert set(listed) == {"naive", "zulu", "east", "west", "epoch"}
    assert {datetime.fromisoformat(at) for at in listed.values()} == {early}


def test_both_sides_of_a_diff_have_the_window_that_ends_now(api):
    """D14."""
    sides = {f"{side}_release_id": register(api, version=side) for side in ("baseline", "candidate")}
    before = datetime.now(UTC)
    answer = api.post("/v1/diff", json={**sides, "window": "36h"}).json()
    since, until = (datetime.fromisoformat(answer[end]) for end in ("since", "until"))
    assert until - since == timedelta(hours=36)
    assert before <= until <= datetime.now(UTC)
