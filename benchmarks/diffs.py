"""Diffs: time and CPU of a warm ``POST /v1/diff`` over stores of several sizes, beside FlightDeck 1.3.

FlightDeck's stores are filled by one statement, 1.3's over its API. 1,280 cells: two releases, 16 tasks, 40 tenants,
with the default policy. *Judged* diffs have a policy that asks for hours and a quantile too; the wide one has 50 tasks
and 1,000 tenants.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from typing import Any

import httpx

from benchmarks.figures import Figures, table
from benchmarks.measured import (
    cpu_s,
    flightdeck,
    flightdeck_1_3,
    folder,
    memory_mb,
    module,
    peers_environment,
    say,
    until_quiet,
)
from benchmarks.payload import events
from benchmarks.releases import registered
from benchmarks.store import JUDGED
from tests.serving import command, environment

EVENTS_A_REQUEST = 500
SHAPES = ((16, 40), (50, 1_000))
"""Tasks and tenants of judged diffs."""


def measure(*, quick: bool) -> dict[str, Any]:
    """All sizes."""
    ours = {runs: _ours(runs) for runs in ((10_000, 100_000) if quick else (10_000, 100_000, 1_000_000))}
    theirs = {runs: _theirs(runs) for runs in ((10_000,) if quick else (10_000, 100_000))}
    runs = 100_000 if quick else 1_000_000
    judged = {f"{tasks} tasks, {tenants} tenants": _judged(runs, tasks, tenants) for tasks, tenants in SHAPES}
    sizes = sorted(ours)
    growth = {
        f"{a} to {b}": math.log(ours[b]["cpu_ms"] / ours[a]["cpu_ms"]) / math.log(b / a)
        for a, b in itertools.pairwise(sizes)
    }
    shared = sorted(ours.keys() & theirs.keys())
    return {
        "flightdeck": {str(runs): figures for runs, figures in ours.items()},
        "1.3.0": {str(runs): figures for runs, figures in theirs.items()},
        "judged": judged,
        "growth exponent of cpu": growth,
        "1.3.0 over flightdeck": {
            str(runs): {key: theirs[runs][key] / ours[runs][key] for key in ("cpu_ms", "ms")} for runs in shared
        },
    }


def show(found: dict[str, Any]) -> str:
    """The tables."""
    keys = ("ms", "cpu_ms", "first_ms", "rss_mb")
    rows = [
        [
            f"{name}, {int(runs):,} runs",
            *(figures.get(key, "") for key in (*keys, "runs_bytes_a_run", "run_index_bytes_a_run")),
        ]
        for name in ("flightdeck", "1.3.0")
        for runs, figures in found[name].items()
    ]
    head = ["diff", "warm ms", "CPU ms", "first ms", "RSS MB", "bytes a run", "of its index"]
    keys = ("ms", "cpu_ms", "advice_ms", "rss_mb", "cells", "hourly_cells", "queries", "bytes_moved", "answer_bytes")
    judged = [
        [f"{int(figures['runs']):,} runs, {name}", *(figures[key] for key in (*keys, "kept_bytes"))]
        for name, figures in found["judged"].items()
    ]
    judged_head = ["judged diff", "warm ms", "CPU ms", "without hours ms", "RSS MB", "cells", "by hour", "queries"]
    judged_head += ["bytes from the engine", "bytes of the answer", "bytes kept by a decision"]
    compared = [
        [f"1.3 over this, {int(runs):,} runs", both["cpu_ms"], both["ms"]]
        for runs, both in found["1.3.0 over flightdeck"].items()
    ]
    growth = [[f"growth exponent, {sizes} runs", value] for sizes, value in found["growth exponent of cpu"].items()]
    return "\n\n".join(
        (
            "Diffs: 1,280 cells over one day, merged, medians of warm diffs",
            table(head, rows),
            table(judged_head, judged),
            table(["", "CPU", "time"], compared),
            table(["", "CPU"], growth),
        )
    )


def _ours(runs: int) -> Figures:
    say(f"diffs over {runs:,} runs")
    with folder() as where:
        releases = registered(command(), where, environment())
        filled = module("store", where, "fill", "--runs", runs, "--releases", *releases, timeout_s=300)
        with flightdeck(where) as server:
            asked = _asked(server.process.pid, server.url, releases, seconds=4)
        return {**asked, **filled}


def _judged(runs: int, tasks: int, tenants: int) -> Figures:
    say(f"judged diffs over {runs:,} runs of {tasks} tasks and {tenants:,} tenants")
    with folder() as where:
        releases = registered(command(), where, environment())
        shape = ("--releases", *releases, "--tasks", tasks, "--tenants", tenants)
        filled = module("store", where, "fill", "--runs", runs, *shape, timeout_s=300)
        with flightdeck(where) as server:
            advice = _asked(server.process.pid, server.url, releases, seconds=4)
            asked = _asked(server.process.pid, server.url, releases, seconds=4, policy=JUDGED.model_dump(mode="json"))
        moved = module("store", where, "moved", *shape, timeout_s=300)
        return {**asked, **filled, **moved, "advice_ms": advice["ms"], "advice_cpu_ms": advice["cpu_ms"]}


def _theirs(runs: int) -> Figures:
    say(f"1.3.0: diffs over {runs:,} runs")
    with folder() as where, flightdeck_1_3(where) as peer:
        releases = registered([peer.program], where, peers_environment())
        body = events(EVENTS_A_REQUEST, releases)
        with httpx.Client(base_url=peer.url, timeout=120) as client:
            for _ in range(runs // EVENTS_A_REQUEST):
                headers = {"content-type": "application/json"}
                client.post("/v1/events", content=body.fresh(), headers=headers).raise_for_status()
        return _asked(peer.pid, peer.url, releases, seconds=4)


def _asked(pid: int, url: str, releases: tuple[str, str], seconds: float, **asked: object) -> Figures:
    """Asks for the same diff again and again, at least twice: the first apart, the others for their median."""
    until_quiet(pid)
    answer = b""
    body = {
        **asked,
        "baseline_release_id": releases[0],
        "candidate_release_id": releases[1],
        "window": "1d",
        "environment": "local",
    }
    took: list[float] = []
    with httpx.Client(base_url=url, timeout=300) as client:

        def ask() -> float:
            began = time.perf_counter()
            nonlocal answer
            answer = client.post("/v1/diff", json=body).raise_for_status().content
            return (time.perf_counter() - began) * 1000

        first = ask()
        before, deadline = cpu_s(pid), time.monotonic() + seconds
        while not took or time.monotonic() < deadline:
            took.append(ask())
    return {
        "first_ms": first,
        "ms": statistics.median(took),
        "cpu_ms": (cpu_s(pid) - before) / len(took) * 1000,
        "asked": len(took),
        "answer_bytes": len(answer),
        "rss_mb": memory_mb(pid)[0],
    }
