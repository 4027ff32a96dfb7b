"""What tests of promotions over HTTP are made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from dirty_equals import IsStr
from starlette.testclient import TestClient

from tests.workspace import register

ISO = IsStr(regex=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")
ZULU = IsStr(regex=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
ACTION = IsStr(regex=r"act_[0-9a-f]{12}")
REQUEST = IsStr(regex=r"prq_[0-9a-f]{12}")
SHA256 = IsStr(regex=r"[0-9a-f]{64}")
FIRST = "first promotion: no promoted baseline for agent/environment"
TOO_DEAR = "candidate cost_per_run_usd 9.200000 exceeds max 4.000000"
POLICY = {
    "policy_id": "p1",
    "max_cost_per_run_usd": 4,
    "min_candidate_runs": 1,
    "min_baseline_runs": 1,
    "require_high_diff_confidence": False,
}


class Workspace:
    """Three releases of an agent of its own with a run each; the third costs too much."""

    def __init__(self, api: TestClient) -> None:
        self.api = api
        self.agent = f"agent_{uuid4().hex[:8]}"
        self.first, self.second, self.dear = (
            self._release(version, tokens) for version, tokens in (("1", 1000), ("2", 2000), ("3", 9000))
        )

    def _release(self, version: str, tokens: int) -> str:
        release_id = register(self.api, agent_id=self.agent, version=version)
        event = {
            "timestamp": datetime.now(UTC).isoformat(),
            "agent_id": self.agent,
            "release_id": release_id,
            "run_id": f"run-{release_id}",
            "tenant_id": "t",
            "task_id": "k",
            "environment": "local",
            "usage": {
                "model": {
                    "provider": "openai",
                    "model": "gpt-4.1-mini",
                    "input_tokens": tokens,
                    "output_tokens": 100,
                }
            },
        }
        assert self.api.post("/v1/events", json={"events": [event]}).json()["inserted"] == 1
        return release_id

    def post(self, path: str, release_id: str = "", *, headers: Any = None, **changes: Any) -> tuple[int, Any]:
        body = {"release_id": release_id, "environment": "local", "window": "7d", "reason": "r", **changes}
        answer = self.api.post(f"/v1/{path}", json=body, headers=headers)
        return answer.status_code, answer.json()

    def promote(self, release_id: str, **changes: Any) -> tuple[int, Any]:
        return self.post("promote", release_id, **changes)

    def rollback(self, release_id: str, **changes: Any) -> tuple[int, Any]:
        return self.post("rollback", release_id, **changes)

    def actions(self, **query: Any) -> list[dict[str, Any]]:
        answer = self.api.get("/v1/actions", params={"agent": self.agent, **query})
        assert answer.status_code == 200, answer.text
        return answer.json()["actions"]


def furnish(api: TestClient) -> None:
    entry = {"model": "gpt-4.1-mini", "input_usd_per_1k_tokens": 1, "output_usd_per_1k_tokens": 2}
    table = {"provider": "openai", "pricing_version": "p1", "entries": [entry]}
    assert api.post("/v1/pricing", json={"table": table}).status_code == 200
    assert api.put("/v1/policy", json=POLICY).status_code == 200
