"""What the description of the API gains: an example of every JSON body, and the token.

``/docs`` fills its forms with the examples, and asks for the token under "Authorize".
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

RELEASE = "rel_0123456789ab"
CANDIDATE = "rel_ba9876543210"
CHECKSUM = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

ARTIFACT = {
    "api_version": "v1",
    "kind": "Release",
    "metadata": {"name": "support-agent", "version": "1.4.0"},
    "spec": {
        "agent": {"agent_id": "support"},
        "runtime": {"provider": "openai", "model": "gpt-4.1-mini"},
        "prompts": {"system_ref": "prompts/system.md"},
        "pricing_reference": {"provider": "openai", "pricing_version": "openai-2026-11"},
    },
}
TABLE = {
    "provider": "openai",
    "pricing_version": "openai-2026-11",
    "entries": [
        {
            "model": "gpt-4.1-mini",
            "input_usd_per_1k_tokens": 0.0004,
            "output_usd_per_1k_tokens": 0.0016,
            "cached_input_usd_per_1k_tokens": 0.0001,
        }
    ],
}
POLICY = {"policy_id": "support", "max_error_rate": 0.05, "max_latency_ms": 3000, "max_cost_per_run_usd": 0.02}
EVENT = {
    "timestamp": "2026-11-24T12:00:00Z",
    "agent_id": "support",
    "release_id": RELEASE,
    "run_id": "run-1",
    "tenant_id": "acme",
    "task_id": "refund",
    "environment": "production",
    "metrics": {"latency_ms": 850, "success": True},
    "usage": {"model": {"provider": "openai", "model": "gpt-4.1-mini", "input_tokens": 400, "output_tokens": 120}},
}
WISH = {
    "release_id": CANDIDATE,
    "environment": "production",
    "window": "7d",
    "reason": "cheaper, and no worse",
    "actor": "ada",
}
PAIR = {"baseline_release_id": RELEASE, "candidate_release_id": CANDIDATE}

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("post", "/v1/releases"): {"artifact": ARTIFACT, "checksum": CHECKSUM, "environment": "production"},
    ("post", "/v1/releases/{release_id}/verify"): {"checksum": CHECKSUM},
    ("post", "/v1/pricing"): {"table": TABLE},
    ("put", "/v1/policy"): POLICY,
    ("post", "/v1/policy/test"): {"policy": POLICY, "agent": "support", "env": "production", "limit": 20},
    ("post", "/v1/events"): {"events": [EVENT]},
    ("post", "/v1/diff"): {**PAIR, "window": "7d", "environment": "production"},
    ("post", "/v1/diff/charts"): {**PAIR, "window": "7d", "environment": "production"},
    ("post", "/v1/looks"): {**PAIR, "environment": "production", "status": "PASS", "sequential": False},
    ("post", "/v1/promote"): WISH,
    ("post", "/v1/rollback"): {**WISH, "release_id": RELEASE, "reason": "more errors since noon"},
    ("post", "/v1/promote/request"): WISH,
    ("post", "/v1/promote/confirm"): {
        "request_id": "prq_0123456789ab",
        "approval_reason": "looked at the runs",
        "actor": "grace",
    },
    ("post", "/v1/webhooks"): {
        "url": "https://hooks.example.com/flightdeck",
        "events": ["promote.succeeded", "promote.blocked", "rollback.succeeded"],
        "description": "the channel of the support team",
    },
}
"""By method and path."""


TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "FLIGHTDECK_LOCAL_API_TOKEN of the server. Where none is set, callers on its machine need none.",
}


def install(api: FastAPI) -> None:
    """Adds examples and token to an application's description."""
    describe = api.openapi

    def described() -> dict[str, Any]:
        document = describe()
        for (method, path), example in BODIES.items():
            body = document["paths"][path][method]["requestBody"]["content"]["application/json"]
            body["example"] = example
        document["components"]["securitySchemes"] = {"token": TOKEN}
        document["security"] = [{"token": []}, {}]
        document["paths"]["/health"]["get"]["security"] = []
        return document

    api.openapi = described  # type: ignore[method-assign] # FastAPI's own way to extend it
