"""A release's life through the SDK of flightdeck-ai 1.3.0; a script that runs where 1.3.0 is installed.

Arguments: the server's URL, its token or "", ``direct`` or ``approval``, ``sync`` or ``async``, ids of two releases of
agent_x. It prints what the server said, as JSON.
"""

import asyncio
import inspect
import json
import sys
from datetime import UTC, datetime
from importlib.metadata import version

import httpx

from flightdeck.models import RunEvent, RunEventMetrics, RunEventModelUsage, RunEventRequest, RunEventUsage
from flightdeck.sdk import AsyncFlightdeckClient, FlightdeckClient

url, token, mode, kind, baseline, candidate = sys.argv[1:]
assert version("flightdeck-ai") == "1.3.0"
loop = asyncio.new_event_loop()
make = AsyncFlightdeckClient if kind == "async" else FlightdeckClient
client = make(url, timeout_s=30.0, api_token=token or None)


def call(name, *args, **kwargs):
    answer = getattr(client, name)(*args, **kwargs)
    return loop.run_until_complete(answer) if inspect.isawaitable(answer) else answer


def refused(name, **kwargs):
    try:
        call(name, **kwargs)
    except httpx.HTTPStatusError as error:
        return [error.response.status_code, error.response.json()]
    raise AssertionError(f"{name} was not refused")


def event(release_id, number, output_tokens):
    return RunEvent(
        timestamp=datetime.now(UTC),
        agent_id="agent_x",
        release_id=release_id,
        run_id=f"{kind}-{release_id}-{number}",
        tenant_id="acme",
        task_id="refund",
        environment="prod",
        request=RunEventRequest(session_id="s1", trace_id="t1", span_id="p1"),
        metrics=RunEventMetrics(latency_ms=100 + number, success=True),
        usage=RunEventUsage(
            model=RunEventModelUsage(
                provider="openai", model="m1", input_tokens=1000, output_tokens=output_tokens, cached_input_tokens=0
            )
        ),
        labels={"team": "a"},
    )


events = [event(baseline, number, 1000) for number in range(12)] + [event(candidate, n, 500) for n in range(12)]
of = {"environment": "prod", "window": "7d"}
said = {
    "health": call("health"),
    "workspace": call("get_workspace"),
    "releases": call("list_releases"),
    "none": call("ingest_run_events", []),
    "ingested": call("ingest_run_events", events[:5]),
    "ingested_in_chunks": call("ingest_run_events_batch", events[5:], chunk_size=7),
    "ingested_again": call("ingest_run_events", events),
    "runs": call("list_runs", release_id=baseline, limit=3, tenant_id="acme", session_id="s1", **of),
    "diff": call("post_diff", baseline_release_id=baseline, candidate_release_id=candidate, **of),
}
body, headers = call("fetch_runs_export_ndjson", release_id=candidate, **of)
said["export"] = [json.loads(line) for line in body.splitlines()]
said["export_headers"] = headers

hooks = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"} if token else {}, timeout=30)
hook = {"url": "https://example.com/hook", "events": ["promote.succeeded"], "description": "d"}
said["hook"] = hooks.post("/v1/webhooks", json=hook).raise_for_status().json()
said["hooks"] = hooks.get("/v1/webhooks").raise_for_status().json()
said["unhooked"] = hooks.delete(f"/v1/webhooks/{said['hook']['webhook_id']}").raise_for_status().json()
said["metrics"] = hooks.get("/v1/metrics").raise_for_status().json()


def promote(release_id):
    wish = {"release_id": release_id, "reason": "better", "actor": "ann", **of}
    if mode == "direct":
        return call("post_promote", **wish)
    request = call("post_promote_request", **wish)
    said.setdefault("requests", []).append(request)
    return call("post_promote_confirm", request_id=request["request_id"], approval_reason="seen", actor="bob")


wish = {"release_id": baseline, "reason": "better", **of}
said["wrong_way"] = refused("post_promote_request" if mode == "direct" else "post_promote", **wish)
said["first"] = promote(baseline)
said["second"] = promote(candidate)
said["back"] = call("post_rollback", release_id=baseline, reason="worse after all", actor="ann", **of)
said["unknown"] = refused("post_rollback", release_id="rel_000000000000", reason="x", actor="ann", **of)
said["promoted"] = call("list_promoted")
said["actions"] = call("list_actions", agent_id="agent_x", environment="prod", limit=10)
said["pending"] = call("list_promotion_requests", status="pending")
said["completed"] = call("list_promotion_requests", status="completed", limit=10)
if token:
    stranger = FlightdeckClient(url, timeout_s=30.0)
    try:
        stranger.ingest_run_events(events[:1])
    except httpx.HTTPStatusError as error:
        said["without_token"] = error.response.status_code
closed = client.aclose() if kind == "async" else client.close()
if inspect.isawaitable(closed):
    loop.run_until_complete(closed)
print(json.dumps(said))
