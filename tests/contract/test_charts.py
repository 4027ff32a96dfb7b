"""``POST /v1/diff/charts``: the runs of a diff's verdict over time, and how they are distributed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from flightdeck.models import DiffCharts
from flightdeck.server.app import create_app
from flightdeck.settings import load
from tests.workspace import client, register

DAY = datetime(2026, 11, 10, tzinfo=UTC)
POLICY = {
    "policy_id": "charts",
    "max_error_rate": 0.05,
    "require_high_diff_confidence": False,
    "statistics": {
        "alpha": 0.1,
        "guardrails": [
            {"metric": "error_rate", "absolute": 0.1},
            {"metric": "latency_ms", "absolute": 500},
            {"metric": "cost_usd", "relative": 0.5},
        ],
    },
}


class Made:
    """Two releases with runs at fixed times: the baseline for two days, the candidate on the second.

    The baseline has 60 runs an hour, of which none fails; of the candidate's 30 every third does.
    """

    def __init__(self, api: TestClient) -> None:
        self.api = api
        for version, price in (("p1", 0.001), ("dear", 0.003)):
            entry = {"model": "gpt-4.1-mini", "input_usd_per_1k_tokens": price, "output_usd_per_1k_tokens": price}
            table = {"provider": "openai", "pricing_version": version, "entries": [entry]}
            assert api.post("/v1/pricing", json={"table": table}).status_code == 200
        assert api.put("/v1/policy", json=POLICY).status_code == 200
        self.base, self.candidate = register(api), register(api, version="2.0.0")
        self.send(self.base, range(48), 60, 0)
        self.send(self.candidate, range(24, 48), 30, 3)

    def send(self, release: str, hours: range, each: int, nth: int, model: str = "gpt-4.1-mini") -> None:
        events = [
            {
                "timestamp": (DAY + timedelta(hours=hour, minutes=1 + number * 58 / each)).isoformat(),
                "agent_id": "support",
                "release_id": release,
                "run_id": f"{release}-{hour}-{number}",
                "tenant_id": f"t{number % 6}",
                "task_id": "refund",
                "environment": "local",
                "metrics": {"latency_ms": 1000 + 10 * number, "success": not nth or number % nth > 0},
                "usage": {
                    "model": {"provider": "openai", "model": model, "input_tokens": 900, "output_tokens": 100 + number}
                },
            }
            for hour in hours
            for number in range(each)
        ]
        assert self.api.post("/v1/events", json={"events": events}).json()["inserted"] == len(events)

    def ask(self, path: str = "/charts", **changes: Any) -> Any:
        window = {"since": DAY.isoformat(), "until": (DAY + timedelta(days=2)).isoformat()}
        body = {
            "baseline_release_id": self.base,
            "candidate_release_id": self.candidate,
            "environment": "local",
            "baseline_window": window,
            "candidate_window": window,
            **changes,
        }
        return self.api.post(f"/v1/diff{path}", json=body)

    def charts(self, **changes: Any) -> DiffCharts:
        answer = self.ask(**changes)
        assert answer.status_code == 200, answer.text
        return DiffCharts.model_validate(answer.json())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    with client(tmp_path_factory.mktemp("workspace")) as api:
        yield Made(api)


def test_each_metric_has_a_point_per_hour_of_each_side_that_ran_in_it(made):
    found = made.charts()
    assert (found.width_h, found.alpha) == (1, 0.1)
    assert [one.metric for one in found.over_time] == ["error_rate", "latency_ms", "cost_usd"]
    for one in found.over_time:
        assert [point.start for point in one.baseline] == [DAY + timedelta(hours=hour) for hour in range(48)]
        assert [point.start for point in one.candidate] == [DAY + timedelta(hours=hour) for hour in range(24, 48)]
        assert {point.n for point in one.baseline} == {60}
        assert {point.n for point in one.candidate} == {30}
        assert all(point.low <= point.value <= point.high for point in (*one.baseline, *one.candidate))
    errors, latency, cost = found.over_time
    assert [point.value for point in errors.candidate] == pytest.approx([1 / 3] * 24)
    assert [point.value for point in latency.baseline] == pytest.approx([1295] * 48)
    assert [point.value for point in cost.candidate] == pytest.approx([(900 + 114.5) * 1e-6] * 24)


def test_the_policy_s_line_is_its_limit_else_the_margin_above_the_baseline(made):
    errors, latency, cost = made.charts().over_time
    assert (errors.line.kind, errors.line.value) == ("limit", 0.05)
    assert (latency.line.kind, latency.line.value) == ("margin", pytest.approx(1295 + 500))
    assert (cost.line.kind, cost.line.value) == ("margin", pytest.approx(1.5 * (900 + 129.5) * 1e-6))


def test_the_runs_are_those_of_the_verdict(made):
    diff = made.ask("").json()
    windows = diff["windows"]
    found = made.charts(baseline_window=windows["baseline"], candidate_window=windows["candidate"])
    assert found.windows.model_dump() == windows
    by_metric = {one["name"]: one for one in diff["verdict"]["metrics"]}
    for one in found.over_time:
        counts = [sum(point.n for point in side) for side in (one.baseline, one.candidate)]
        assert counts == [by_metric[one.metric]["n_baseline"], by_metric[one.metric]["n_candidate"]] == [2880, 720]
    for spread in found.distributions:
        assert (spread.baseline.n, spread.candidate.n, spread.baseline.missing) == (2880, 720, 0)
        assert sum(one.baseline for one in spread.bins) == 2880
        assert sum(one.candidate for one in spread.bins) == 720
        assert [one.low < one.high for one in spread.bins] == [True] * len(spread.bins)


def test_quantiles_are_those_of_the_runs(made):
    latency = made.charts().distributions[0]
    p50, p95, _ = latency.candidate.quantiles
    assert p50.value == pytest.approx(1145, rel=0.02)
    assert p95.value == pytest.approx(1280, rel=0.02)
    assert p50.low < p50.value < p50.high


def test_other_prices_price_both_sides(made):
    own, dear = made.charts(), made.charts(pricing="openai/dear")
    for before, after in zip(own.over_time[2].baseline, dear.over_time[2].baseline, strict=True):
        assert after.value == pytest.approx(3 * before.value)
    assert dear.over_time[2].line.value == pytest.approx(3 * own.over_time[2].line.value)
    assert dear.over_time[:2] == own.over_time[:2]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"pricing": "openai/nobody"}, "Missing pricing table for baseline openai/nobody"),
        ({"candidate_release_id": "rel_unheardof"}, "Unknown candidate release: rel_unheardof"),
    ],
)
def test_what_can_t_be_compared_can_t_be_drawn_for_the_same_reason(made, change, why):
    charts, diff = made.ask(**change), made.ask("", **change)
    assert (charts.status_code, charts.json()) == (diff.status_code, diff.json())
    assert charts.json()["detail"].startswith(why)


def test_runs_without_a_price_are_missing_from_the_cost_and_nowhere_else(made):
    unpriced = register(made.api, version="3.0.0")
    made.send(unpriced, range(40, 44), 30, 3)
    made.send(unpriced, range(44, 48), 30, 3, model="unheard-of")
    made.charts(candidate_release_id=unpriced)
    found = made.charts(candidate_release_id=unpriced)
    assert [len(one.candidate) for one in found.over_time] == [8, 8, 4]
    assert [(spread.candidate.n, spread.candidate.missing) for spread in found.distributions] == [(240, 0), (120, 120)]


def test_a_model_that_no_diff_has_seen_yet_is_priced(made):
    """What releases use is remembered between diffs: runs that use something else must not lose their price for it."""
    release = register(made.api, version="4.0.0")
    made.send(release, range(40, 44), 30, 3)
    assert made.ask("", candidate_release_id=release).status_code == 200
    made.send(release, range(44, 48), 30, 3, model="gpt-4.1")
    cost = made.charts(candidate_release_id=release).distributions[1]
    assert (cost.candidate.n, cost.candidate.missing) == (240, 0)


def test_hours_with_few_runs_are_taken_together_and_long_windows_have_wider_ones(made):
    few = register(made.api, version="5.0.0")
    made.send(few, range(48), 5, 3)
    found = made.charts(candidate_release_id=few)
    assert found.width_h == 2, "24 stretches are left"
    assert {point.n for point in found.over_time[0].candidate} == {10}
    assert {point.n for point in found.over_time[0].baseline} == {120}
    long = {"since": (DAY - timedelta(days=363)).isoformat(), "until": (DAY + timedelta(days=2)).isoformat()}
    assert made.charts(baseline_window=long, candidate_window=long).width_h == 48


def test_a_side_without_runs_has_no_points_and_unknown_quantiles(made):
    nothing = register(made.api, version="6.0.0")
    found = made.charts(candidate_release_id=nothing)
    assert [one.candidate for one in found.over_time] == [[], [], []]
    assert found.distributions[0].candidate.n == 0
    assert {one.value for one in found.distributions[0].candidate.quantiles} == {None}
    neither = made.charts(baseline_release_id=nothing, candidate_release_id=nothing)
    assert [one.bins for one in neither.distributions] == [[], []]
    assert neither.over_time[1].line is None


def test_the_read_rule_holds(tmp_path):
    api = TestClient(create_app(load({"local_api_token": "secret"}, workspace=tmp_path), lazily=True))
    assert api.post("/v1/diff/charts", json={}).status_code == 422, "a body that can't be read is told first"
    body = {"baseline_release_id": "a", "candidate_release_id": "b", "window": "1d"}
    assert api.post("/v1/diff/charts", json=body).status_code == 401
