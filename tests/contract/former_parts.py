"""A workspace made by the real 1.3.0, and what diffs of its events must say, computed with fractions."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.former import Former

# Two entries of one model: the first counts.
TABLE = """\
provider: openai
pricing_version: mine
entries:
- {model: m1, input_usd_per_1k_tokens: 0.0025, output_usd_per_1k_tokens: 0.01, cached_input_usd_per_1k_tokens: 0.00125}
- {model: m1, input_usd_per_1k_tokens: 7, output_usd_per_1k_tokens: 7}
- {model: m2, input_usd_per_1k_tokens: 0.000333, output_usd_per_1k_tokens: 0.00077}
"""
PRICES = {
    "m1": (Fraction("0.0025"), Fraction("0.00125"), Fraction("0.01")),
    "m2": (Fraction("0.000333"), None, Fraction("0.00077")),
}
POLICY = """\
policy_id: strict
max_cost_per_run_usd: 0.5
min_candidate_runs: 1
min_baseline_runs: 1
min_low_runs: 0
require_high_diff_confidence: false
"""
RELEASE = """\
api_version: v1
kind: Release
metadata: {{name: {agent}, version: "{version}"}}
spec:
  agent: {{agent_id: {agent}}}
  runtime: {{provider: openai, model: m1}}
  prompts: {{system_ref: system.md}}
  pricing_reference: {{provider: openai, pricing_version: mine}}
"""
CAUSES = {"plain": "", "cached": "D1", "started": "D2", "zoned": "D3"}
"""Agents, and the difference that alone makes 1.3 say something else of their runs."""

WINDOW = timedelta(days=7)


@dataclass(frozen=True)
class Old:
    """A 1.3 workspace: its folder, and the releases (baseline, candidate) and events of each agent."""

    folder: Path
    former: Former
    releases: dict[str, tuple[str, str]]
    events: list[dict[str, Any]]

    def flightdeck(self, *arguments: str) -> str:
        """Runs 1.3's command in it."""
        return self.former.flightdeck(self.folder, *arguments)

    def configure(self, **lines: str) -> None:
        """Changes lines of its flightdeck.yaml."""
        path = self.folder / "flightdeck.yaml"
        text = path.read_text()
        for name, value in lines.items():
            text = re.sub(rf"^{name}: .*$", f"{name}: {value}", text, flags=re.MULTILINE)
        path.write_text(text)


def made(former: Former, folder: Path, *, runs: int) -> Old:
    """A workspace with so many runs of each release; agents beside those of CAUSES have what 1.3 can't compare."""
    folder.mkdir()
    old = Old(folder, former, {}, [])
    old.flightdeck("init")
    (folder / "table.yaml").write_text(TABLE)
    (folder / "policy.yaml").write_text(POLICY)
    old.flightdeck("pricing", "import", "table.yaml")
    old.flightdeck("pricing", "import", "table.yaml", "--replace", "--reason", "checked again")
    old.flightdeck("policy", "set", "policy.yaml")
    for agent in [*CAUSES, "unpriced", "foreign"]:
        old.releases[agent] = (_register(old, agent, "1.0"), _register(old, agent, "1.1"))
    old.events.extend(_events(old.releases, runs))
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in old.events))
    assert old.flightdeck("runs", "ingest", "events.jsonl") == f"Inserted {len(old.events)} events\n"
    return old


def _register(old: Old, agent: str, version: str) -> str:
    bundle = old.folder / f"{agent}-{version}"
    bundle.mkdir()
    (bundle / "release.yaml").write_text(RELEASE.format(agent=agent, version=version))
    (bundle / "system.md").write_text(f"You are {agent}.\r\n")
    return old.flightdeck("release", "register", bundle.name).strip()


def _events(releases: dict[str, tuple[str, str]], runs: int) -> Iterator[dict[str, Any]]:
    random_ = random.Random(13)
    now = datetime.now(UTC).replace(microsecond=0)
    for agent, pair in releases.items():
        for side, release_id in enumerate(pair):
            for number in range(runs if agent in CAUSES else 5):
                event = _event(random_, agent, release_id, number, now - timedelta(minutes=random_.randint(60, 8000)))
                if agent == "cached":
                    event["usage"]["model"]["cached_input_tokens"] = random_.randint(1, 400)
                elif agent == "started" and number % (3 + side) == 0:
                    event["type"] = "run_start"
                elif agent == "zoned":
                    _zone(event, number, now)
                elif agent == "unpriced" and number == 0:
                    event["usage"]["model"]["model"] = "nobody-knows-1"
                elif agent == "foreign" and number < 2:
                    event["agent_id"] = "somebody_else"
                yield event


def _zone(event: dict[str, Any], number: int, now: datetime) -> None:
    """A third without a zone, a third of the last hours in a zone that is ahead: to 1.3, which compares text, ahead."""
    if number % 3 == 0:
        event["timestamp"] = event["timestamp"].removesuffix("+00:00")
    elif number % 3 == 1:
        recent = now - timedelta(minutes=30 + number % 60)
        event["timestamp"] = recent.astimezone(timezone(timedelta(hours=12))).isoformat()


def _event(random_: random.Random, agent: str, release_id: str, number: int, moment: datetime) -> dict[str, Any]:
    failed = random_.random() < 0.07
    return {
        "timestamp": moment.isoformat(),
        "agent_id": agent,
        "release_id": release_id,
        "run_id": f"{release_id}-{number}",
        "tenant_id": f"tenant{number % 7}",
        "task_id": f"task{number % 3}",
        "environment": "local",
        "request": {"session_id": f"s{number}"} if number % 5 == 0 else None,
        "metrics": {
            "latency_ms": None if number % 11 == 0 else random_.randint(1, 90_000),
            "success": not failed,
            "error_type": "timeout" if failed else None,
        },
        "usage": {
            "model": {
                "provider": "openai",
                "model": "m2" if number % 4 == 0 else "m1",
                "input_tokens": random_.randint(400, 30_000),
                "output_tokens": random_.randint(0, 3_000),
                "cached_input_tokens": 0,
            },
            "tools": [{"tool_name": "search", "invocations": number % 3}],
        },
        "labels": {"number": str(number)},
    }


def expected(events: Sequence[dict[str, Any]], release_id: str, faults: Collection[str]) -> dict[str, Fraction]:
    """Runs, cost, latency and error rate of a release over the last seven days, by 1.3's rules for ``faults``."""
    now = datetime.now(UTC)
    counted = [
        event
        for event in events
        if event["release_id"] == release_id
        and ("D2" in faults or event.get("type") != "run_start")
        and _within(event["timestamp"], now, as_text="D3" in faults)
    ]
    latencies = [event["metrics"]["latency_ms"] for event in counted if event["metrics"]["latency_ms"] is not None]
    costs = [_cost(event["usage"]["model"], twice="D1" in faults) for event in counted]
    return {
        "runs": Fraction(len(counted)),
        "cost_per_run_usd": sum(costs, Fraction()) / len(counted),
        "latency_ms_avg": Fraction(sum(latencies), len(latencies)),
        "error_rate": Fraction(sum(not event["metrics"]["success"] for event in counted), len(counted)),
    }


def _within(timestamp: str, now: datetime, *, as_text: bool) -> bool:
    since = now - WINDOW
    if as_text:
        return since.isoformat() <= timestamp < now.isoformat()
    moment = datetime.fromisoformat(timestamp)
    return since <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) < now


def _cost(model: dict[str, Any], *, twice: bool) -> Fraction:
    price, cached_price, output_price = PRICES[model["model"]]
    cached = model["cached_input_tokens"]
    full = model["input_tokens"]
    if not twice:
        full -= cached
    elif cached_price is None:  # only a price of their own makes 1.3 charge cached tokens again
        cached_price = Fraction()
    again = cached * (price if cached_price is None else cached_price)
    return (full * price + again + model["output_tokens"] * output_price) / 1000
