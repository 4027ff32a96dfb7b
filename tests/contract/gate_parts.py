"""What tests of verdicts at the command line are made of: releases with runs, in a workspace or behind a server."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from tests.contract.commands import TABLE, bundle, run

TOLERANT = """\
policy_id: tolerant
require_high_diff_confidence: false
statistics:
  time_check: "off"
  guardrails:
    - {metric: error_rate, absolute: 0.3}
    - {metric: latency_ms, relative: 0.5}
"""
STRICT = TOLERANT.replace("tolerant", "strict").replace("relative: 0.5", "relative: 0.01")
HOURS = 6


def traffic(release_id: str, count: int, *, latency_ms: float = 1000.0, first: int = 0) -> list[dict[str, Any]]:
    """Finished runs of many tenants over the last hours; the same for every release, apart from their latency."""
    now = datetime.now(UTC)
    events = []
    for number in range(first, first + count):
        chance = random.Random(number)
        events.append(
            {
                "timestamp": (now - timedelta(hours=HOURS * chance.random())).isoformat(),
                "agent_id": "agent_support",
                "release_id": release_id,
                "run_id": f"{release_id}-{number}",
                "tenant_id": f"tenant{number % 12}",
                "task_id": f"task{number % 2}",
                "environment": "local",
                "metrics": {
                    "latency_ms": round(latency_ms * chance.uniform(0.8, 1.2)),
                    "success": chance.random() > 0.05,
                },
                "usage": {
                    "model": {
                        "provider": "openai",
                        "model": "gpt-4.1-mini",
                        "input_tokens": 1000 + number % 7,
                        "output_tokens": 500,
                    }
                },
            }
        )
    return events


@dataclass(frozen=True)
class Canary:
    """A baseline, candidates that are as good and slower, and one that nobody ran; the files of two policies."""

    folder: Path
    baseline: str
    good: str
    slow: str
    unused: str
    url: str = ""

    @property
    def tolerant(self) -> str:
        return str(self.folder / "tolerant.yaml")

    @property
    def strict(self) -> str:
        return str(self.folder / "strict.yaml")


def canary(folder: Path, *, runs: int = 80, url: str = "") -> Canary:
    """Made with commands, by whatever serves the workspace in the current folder."""
    (folder / "prices.yaml").write_text(TABLE)
    assert run("pricing", "import", str(folder / "prices.yaml")).exit_code == 0
    ids = {}
    for name in ("baseline", "good", "slow", "unused"):
        ids[name] = run("release", "register", str(bundle(folder / name, version=f"1.0.0-{name}"))).stdout.strip()
    events = [event for name in ("baseline", "good") for event in traffic(ids[name], runs)]
    events += traffic(ids["slow"], runs, latency_ms=3000)
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    assert run("runs", "ingest", str(folder / "events.jsonl")).stdout == f"Inserted {3 * runs} events\n"
    (folder / "tolerant.yaml").write_text(TOLERANT)
    (folder / "strict.yaml").write_text(STRICT)
    return Canary(folder, url=url, **ids)


def send(url: str, events: list[Mapping[str, Any]]) -> None:
    """Posts runs to a server."""
    for at in range(0, len(events), 500):
        answer = httpx.post(f"{url}/v1/events", json={"events": events[at : at + 500]}, timeout=30)
        assert answer.status_code == 200, answer.text
