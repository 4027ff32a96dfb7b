"""Sends one sample run to FlightDeck with the Python SDK.

    python emit_sample_events.py --release-id rel_0123456789ab --agent-id support

With a token on the server, set FLIGHTDECK_LOCAL_API_TOKEN or give --api-token.
"""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from datetime import UTC, datetime

import httpx

from flightdeck.models import RunEvent, RunEventMetrics, RunEventModelUsage, RunEventRequest, RunEventUsage
from flightdeck.sdk import FlightdeckClient


def sample(release_id: str, agent_id: str, environment: str) -> RunEvent:
    """One finished run: 400 tokens in, 120 out, a quarter of a second."""
    run_id = f"sample-{uuid.uuid4().hex}"
    return RunEvent(
        timestamp=datetime.now(UTC),
        agent_id=agent_id,
        release_id=release_id,
        run_id=run_id,
        tenant_id="sample-tenant",
        task_id="sample-task",
        environment=environment,
        request=RunEventRequest(session_id="sample-session"),
        metrics=RunEventMetrics(latency_ms=250, success=True),
        usage=RunEventUsage(
            model=RunEventModelUsage(
                provider="openai", model="gpt-4.1-mini", input_tokens=400, output_tokens=120, cached_input_tokens=0
            )
        ),
        labels={"integration": "sample"},
    )


def main() -> int:
    """Sends, or with --dry-run only shows, one event."""
    parser = argparse.ArgumentParser(description="Sends one sample run to FlightDeck.")
    parser.add_argument("--base-url", default="http://127.0.0.1:8765")
    parser.add_argument("--release-id", required=True)
    parser.add_argument("--agent-id", required=True)
    parser.add_argument("--environment", default="local")
    parser.add_argument("--api-token", default=os.environ.get("FLIGHTDECK_LOCAL_API_TOKEN"))
    parser.add_argument("--dry-run", action="store_true", help="print the event instead of sending it")
    options = parser.parse_args()

    event = sample(options.release_id, options.agent_id, options.environment)
    if options.dry_run:
        print(event.model_dump_json(indent=2))
        return 0
    client = FlightdeckClient(options.base_url, api_token=options.api_token, max_retries=2)
    try:
        inserted = client.ingest_run_events([event])
    except httpx.HTTPStatusError as error:
        print(f"{error.response.status_code}: {error.response.text}", file=sys.stderr)
        return 1
    except httpx.RequestError as error:
        print(f"No server answers at {options.base_url}: {error}", file=sys.stderr)
        return 1
    finally:
        client.close()
    print(f"Inserted {inserted} event(s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
