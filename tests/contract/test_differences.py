"""Deliberate differences to 1.3 that no other test is about (docs/differences.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from tests.contract.commands import run
from tests.contract.http_promotion_parts import furnish
from tests.workspace import client, register


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with client(tmp_path_factory.mktemp("open")) as opened:
        furnish(opened)
        yield opened


def event(release_id: str, run_id: str, timestamp: str, *, success: bool = True) -> dict[str, object]:
    return {
        "timestamp": timestamp,
        "agent_id": "support",
        "release_id": release_id,
        "run_id": f"{release_id}-{run_id}",
        "tenant_id": "t",
        "task_id": "k",
        "environment": "local",
        "metrics": {"success": success},
        "usage": {"model": {"provider": "openai", "model": "gpt-4.1-mini", "input_tokens": 10, "output_tokens": 1}},
    }


@pytest.mark.contract("C3.07")
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


@pytest.mark.contract("C6.01")
def test_both_sides_of_a_diff_have_the_window_that_ends_now(api):
    """D14: the default."""
    sides = {f"{side}_release_id": register(api, version=side) for side in ("baseline", "candidate")}
    before = datetime.now(UTC)
    answer = api.post("/v1/diff", json={**sides, "window": "36h"}).json()
    since, until = (datetime.fromisoformat(answer[end]) for end in ("since", "until"))
    assert until - since == timedelta(hours=36)
    assert before <= until <= datetime.now(UTC)


@pytest.fixture(scope="module")
def yesterday_and_today(api) -> tuple[str, datetime]:
    """A release with three runs a day ago, of which one failed, and two good ones now; and midnight between them."""
    release = register(api, version="two days")
    now = datetime.now(UTC)
    old, new = (now - timedelta(hours=24)).isoformat(), (now - timedelta(minutes=1)).isoformat()
    events = [event(release, f"old {n}", old, success=n > 0) for n in range(3)]
    events += [event(release, f"new {n}", new) for n in range(2)]
    assert api.post("/v1/events", json={"events": events}).json()["inserted"] == len(events)
    return release, now - timedelta(hours=12)


def interval(middle: datetime, *, before: bool) -> dict[str, str]:
    ends = (middle - timedelta(hours=24), middle) if before else (middle, middle + timedelta(hours=24))
    return {"since": ends[0].isoformat(), "until": ends[1].isoformat()}


def test_each_side_of_a_diff_may_have_a_window_of_its_own(api, yesterday_and_today):
    """D14: a release can even be compared with itself a day ago."""
    release, middle = yesterday_and_today
    sides = {"baseline_release_id": release, "candidate_release_id": release}
    windows = {"baseline": interval(middle, before=True), "candidate": interval(middle, before=False)}
    answer = api.post("/v1/diff", json={**sides, **{f"{side}_window": own for side, own in windows.items()}}).json()
    assert (answer["samples"]["baseline_runs"], answer["samples"]["candidate_runs"]) == (3, 2)
    assert (answer["metrics"]["baseline_error_rate"], answer["metrics"]["candidate_error_rate"]) == (1 / 3, 0.0)
    assert answer["windows"] == windows
    assert (answer["since"], answer["until"]) == tuple(windows["candidate"].values())
    assert answer["window"] == "{since}/{until}".format(**windows["candidate"])
    assert "windows_disjoint" in [warning["code"] for warning in answer["verdict"]["warnings"]]


def test_evidence_over_windows_of_their_own_is_judged_again_alike(api, yesterday_and_today, tmp_path):
    """D14: the offline judge knows both windows."""
    release, middle = yesterday_and_today
    sides = {"baseline_release_id": release, "candidate_release_id": release, "include_evidence": True}
    windows = {"baseline_window": interval(middle, before=True), "candidate_window": interval(middle, before=False)}
    answer = api.post("/v1/diff", json={**sides, **windows}).json()
    (tmp_path / "evidence.json").write_text(json.dumps(answer["evidence"]))
    again = run("judge", str(tmp_path / "evidence.json"), "--output", "json")
    found = json.loads(again.stdout)
    assert found["verdict"] == answer["verdict"]
    assert found["verdict"]["time"]["windows"] == answer["windows"]


def test_a_side_without_a_window_of_its_own_has_the_one_that_ends_now(api, yesterday_and_today):
    """D14."""
    release, middle = yesterday_and_today
    sides = {"baseline_release_id": release, "candidate_release_id": release, "window": "1h"}
    answer = api.post("/v1/diff", json={**sides, "baseline_window": interval(middle, before=True)}).json()
    assert (answer["samples"]["baseline_runs"], answer["samples"]["candidate_runs"]) == (3, 2)
    assert (answer["window"], answer["until"]) == ("1h", answer["windows"]["candidate"]["until"])


@pytest.mark.parametrize(
    ("windows", "where", "message"),
    [
        ({}, ["body", "window"], "Field required"),
        ({"baseline_window": {"since": "2026-11-01", "until": "2026-11-02"}}, ["body", "window"], "Field required"),
        (
            {"window": "7d", "candidate_window": {"since": "2026-11-02", "until": "2026-11-02"}},
            ["body", "candidate_window"],
            "Value error, since must be before until",
        ),
        (
            {"window": "7d", "baseline_window": {"since": "2026-11-02", "to": "2026-11-03"}},
            ["body", "baseline_window", "until"],
            "Field required",
        ),
    ],
)
def test_windows_that_leave_something_open_are_refused(api, windows, where, message):
    """D14."""
    answer = api.post("/v1/diff", json={"baseline_release_id": "a", "candidate_release_id": "b", **windows})
    assert answer.status_code == 422
    problem = answer.json()["detail"][0]
    assert (problem["loc"], problem["msg"]) == (where, message)
