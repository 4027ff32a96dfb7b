"""What the examples beside this file share: their options, and what becomes of the event."""

from __future__ import annotations

import argparse
import json
import os
import sys
import uuid
from typing import Any

import httpx

from flightdeck.models import RunEvent
from flightdeck.sdk import FlightdeckClient


def options(description: str | None, *, live: str = "") -> argparse.Namespace:
    """The command line's options; ``live`` says what --live does, where there is such a flag."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--release-id", default="rel_000000000000", help="a registered release, for --ingest")
    parser.add_argument("--agent-id", default="support", help="its agent")
    parser.add_argument("--environment", default="local")
    parser.add_argument("--ingest", action="store_true", help="post the event instead of printing it")
    parser.add_argument("--base-url", default="http://127.0.0.1:8765", help="the server, for --ingest")
    parser.add_argument("--api-token", default=os.environ.get("FLIGHTDECK_LOCAL_API_TOKEN"))
    if live:
        parser.add_argument("--live", action="store_true", help=live)
    return parser.parse_args()


def identity(chosen: argparse.Namespace) -> dict[str, Any]:
    """Who runs, for whom: what every event must say and no response can."""
    return {
        "agent_id": chosen.agent_id,
        "release_id": chosen.release_id,
        "run_id": f"adoption-{uuid.uuid4().hex}",
        "tenant_id": "acme",
        "task_id": "weather",
        "environment": chosen.environment,
    }


def deliver(event: RunEvent, chosen: argparse.Namespace) -> int:
    """Prints the body of ``POST /v1/events``, or posts it; the exit code."""
    if not chosen.ingest:
        print(json.dumps({"events": [event.model_dump(mode="json")]}, indent=2))
        return 0
    client = FlightdeckClient(chosen.base_url, api_token=chosen.api_token, max_retries=2)
    try:
        inserted = client.ingest_run_events([event])
    except httpx.HTTPStatusError as error:
        print(f"{error.response.status_code}: {error.response.text}", file=sys.stderr)
        return 1
    except httpx.RequestError as error:
        print(f"No server answers at {chosen.base_url}: {error}", file=sys.stderr)
        return 1
    finally:
        client.close()
    print(f"Inserted {inserted} event(s).")
    return 0
