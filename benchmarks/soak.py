"""``python -m benchmarks.soak [--minutes N]``: hours of use in minutes, watching for what grows without end.

A steady load of spans, events and diffs against a server in a folder of its own, slower than it could take. Every few
seconds: memory, CPU, files and parts of the store, and the lag of assembly, which is the time from the acknowledgement
of a small trace to its run. In the end everything acknowledged is counted in the store.

Exit code 1 when memory or lag has grown in the second half of the time beyond what merges and caches explain, or when
something was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from benchmarks.figures import table
from benchmarks.load import HttpConnection
from benchmarks.measured import cpu_s, flightdeck, folder, memory_mb, module, say
from benchmarks.payload import SPANS_A_TRACE, Events, Template, events, template
from benchmarks.releases import registered
from tests.serving import Server, command, environment

SPANS, SPAN_REQUESTS_S = 500, 2.0
EVENTS, EVENT_REQUESTS_S = 50, 4.0
DIFFS_S = 0.5
SAMPLE_S = 5.0
GIVE_UP_S = 60.0
"""A run that is not there after this has a lag of so many seconds."""

MORE_MEMORY, MORE_LAG = 1.15, 3.0
"""How much more than in the second quarter of the time the last one may have."""
ROOM_MB, ROOM_LAG_S = 60, 2.0
SPAN_RELEASE = "rel_soak00000000"


@dataclass(frozen=True)
class Sample:
    """What was seen at one moment. ``cpu`` is in cores, since the sample before; ``lag_s`` that of assembly."""

    second: float
    rss_mb: int
    cpu: float
    lag_s: float
    files: int
    parts: int


class Soak:
    """One server under load."""

    def __init__(self, server: Server, where: Path, releases: tuple[str, str], until: float) -> None:
        self._server = server
        self._where = where
        self._releases = releases
        self._until = until
        self._probes = count()
        self.answers: Counter[str] = Counter()
        self.acknowledged: Counter[str] = Counter()
        self.samples: list[Sample] = []

    async def run(self) -> None:
        """Loads and watches until the time is over."""
        window = {"window": "1h", "environment": "local"}
        diff = {"baseline_release_id": self._releases[0], "candidate_release_id": self._releases[1], **window}
        spans = template(SPANS, release_id=SPAN_RELEASE)
        await asyncio.gather(
            self._load("spans", "/v1/traces", spans, SPAN_REQUESTS_S),
            self._load("events", "/v1/events", events(EVENTS, self._releases), EVENT_REQUESTS_S),
            self._load("diffs", "/v1/diff", json.dumps(diff).encode(), DIFFS_S),
            self._watch(),
        )

    async def _load(self, name: str, path: str, body: Template | Events | bytes, per_s: float) -> None:
        """Sends at a steady rate; a refusal is counted, and what was refused is not sent again."""
        kind = "application/x-protobuf" if isinstance(body, Template) else "application/json"
        where = urlsplit(self._server.url)
        due = time.monotonic()
        async with HttpConnection(where.hostname or "", where.port or 0, path, kind) as connection:
            while time.monotonic() < self._until:
                answer = await connection.post(body if isinstance(body, bytes) else body.fresh())
                self.answers[f"{name} {answer.status}"] += 1
                if answer.status == httpx.codes.OK and not isinstance(body, bytes):
                    self.acknowledged[name] += body.spans
                due = max(due + 1 / per_s, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _watch(self) -> None:
        pid, began = self._server.process.pid, time.monotonic()
        used, at = cpu_s(pid), began
        async with httpx.AsyncClient(base_url=self._server.url, timeout=GIVE_UP_S) as client:
            while time.monotonic() < self._until:
                await asyncio.sleep(SAMPLE_S)
                lag_s = await self._lag(client)
                now, total = time.monotonic(), cpu_s(pid)
                files, parts = await asyncio.to_thread(_stored, self._where)
                cpu = (total - used) / (now - at)
                used, at = total, now
                self.samples.append(Sample(now - began, memory_mb(pid)[0], cpu, lag_s, files, parts))
                say("  " + "  ".join(f"{name} {value:.4g}" for name, value in asdict(self.samples[-1]).items()))

    async def _lag(self, client: httpx.AsyncClient) -> float:
        """Seconds from the acknowledgement of a trace to its run."""
        release = f"rel_probe{next(self._probes):07d}"
        body = template(SPANS_A_TRACE, lean=True, release_id=release).body
        headers = {"content-type": "application/x-protobuf"}
        (await client.post("/v1/traces", content=body, headers=headers)).raise_for_status()
        began = time.monotonic()
        while (lag := time.monotonic() - began) < GIVE_UP_S:
            listed = await client.get("/v1/runs", params={"release_id": release, "window": "1h", "limit": 1})
            if listed.json().get("matched_total"):
                break
            await asyncio.sleep(0.05)
        return lag


def grown(values: Sequence[float], factor: float, room: float) -> bool:
    """Whether the median of the last quarter is beyond that of the second by more than a factor and some room.

    >>> grown([1, 5, 5, 5], 1.1, 1), grown([1, 5, 6, 7], 1.1, 1)
    (False, True)
    """
    quarter = max(1, len(values) // 4)
    before = statistics.median(values[quarter : 2 * quarter] or values)
    return statistics.median(values[-quarter:]) > before * factor + room


def _stored(where: Path) -> tuple[int, int]:
    """Files of a workspace, and parts of tables among its folders."""
    files = parts = 0
    for _, _, names in os.walk(where):
        files += len(names)
        parts += "checksums.txt" in names
    return files, parts


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--minutes", type=float, default=10)
    minutes = parser.parse_args().minutes
    with folder() as where:
        with flightdeck(where) as server:
            releases = registered(command(), where, environment())
            soak = Soak(server, where, releases, time.monotonic() + minutes * 60)
            say(f"soak of {minutes:g} minutes")
            asyncio.run(soak.run())
        say("counting what is stored")
        stored = module("store", where, "count", timeout_s=300)
    every = max(1, len(soak.samples) // 20)
    rows = [[round(value, 2) for value in asdict(sample).values()] for sample in soak.samples[::every]]
    print(table(list(Sample.__dataclass_fields__), rows))
    print("\n" + ", ".join(f"{name}: {number:,}" for name, number in sorted(soak.answers.items())))
    spans, runs = stored["spans"].get(SPAN_RELEASE, 0), stored["runs"]
    kept = {"spans": spans, "events": sum(runs.get(release, 0) for release in releases)}
    problems = [
        f"{soak.acknowledged[name]} {name} acknowledged, {kept[name]} stored"
        for name in kept
        if kept[name] != soak.acknowledged[name]
    ]
    if runs.get(SPAN_RELEASE, 0) * SPANS_A_TRACE != spans:
        problems.append(f"{runs.get(SPAN_RELEASE, 0)} runs of {spans} spans")
    if grown([sample.rss_mb for sample in soak.samples], MORE_MEMORY, ROOM_MB):
        problems.append("memory grows")
    if grown([sample.lag_s for sample in soak.samples], MORE_LAG, ROOM_LAG_S):
        problems.append("the lag of assembly grows")
    print("; ".join(problems) or "Nothing was lost, nothing grows.")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
