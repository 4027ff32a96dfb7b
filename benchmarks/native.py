"""Native events: ``POST /v1/events`` in requests of 500 and of 1, beside FlightDeck 1.3."""

from __future__ import annotations

from typing import Any

from benchmarks.figures import Figures, medians, ratio, spread, table
from benchmarks.measured import cpu_s, flightdeck, flightdeck_1_3, folder, module, peers_environment, say, until_quiet
from benchmarks.releases import registered
from tests.serving import command, environment

BATCHES = (500, 1)
CONNECTIONS = 64


def measure(*, quick: bool) -> dict[str, Any]:
    """All rounds."""
    ours: dict[str, list[Figures]] = {}
    theirs: dict[str, list[Figures]] = {}
    seconds = 4 if quick else 6
    with folder() as here, folder() as there:
        with flightdeck(here) as server, flightdeck_1_3(there) as peer:
            mine = registered(command(), here, environment())
            old = registered([peer.program], there, peers_environment())
            for number in range(1 if quick else 3):
                for batch in BATCHES:
                    say(f"events, round {number + 1}, {batch} a request")
                    name = f"batch {batch}"
                    ours.setdefault(name, []).append(_sent(server.process.pid, server.url, batch, mine, seconds))
                    theirs.setdefault(name, []).append(_sent(peer.pid, peer.url, batch, old, seconds))
        stored = module("store", here, "count", timeout_s=60)["runs"]
    acknowledged = sum(figures["events"] for rounds in ours.values() for figures in rounds)
    if sum(stored.values()) != acknowledged:
        raise SystemExit(f"{acknowledged} events acknowledged, {stored} stored")
    return {
        "rounds": {"flightdeck": ours, "1.3.0": theirs},
        "flightdeck": {name: medians(rounds) for name, rounds in ours.items()},
        "1.3.0": {name: medians(rounds) for name, rounds in theirs.items()},
        "ratios": {
            name: {
                "rate over 1.3.0": ratio(ours[name], theirs[name], "events_per_s"),
                "cpu over 1.3.0": ratio(ours[name], theirs[name], "cpu_s_per_million"),
                "spread of cpu": spread(ours[name], "cpu_s_per_million"),
            }
            for name in ours
        },
    }


def show(found: dict[str, Any]) -> str:
    """The table."""
    keys = ("events_per_s", "cpu_s_per_million", "p50_ms")
    rows = [
        [
            name,
            *(found["flightdeck"][name][key] for key in keys),
            *(found["1.3.0"][name][key] for key in keys),
            found["ratios"][name]["rate over 1.3.0"],
            found["ratios"][name]["cpu over 1.3.0"],
        ]
        for name in found["flightdeck"]
    ]
    head = ["", "events/s", "CPU-s/M", "p50 ms", "1.3: events/s", "CPU-s/M", "p50 ms", "rate ratio", "CPU ratio"]
    return f"Native events: {CONNECTIONS} connections, medians\n\n" + table(head, rows)


def _sent(pid: int, url: str, batch: int, releases: tuple[str, str], seconds: float) -> Figures:
    until_quiet(pid)
    before = cpu_s(pid)
    more = ("--connections", CONNECTIONS, "--events", batch, "--release", *releases)
    load = module("load", url, "--seconds", seconds, *more, timeout_s=seconds + 120)
    used = cpu_s(pid) - before
    return {
        "events": load["spans"],
        "events_per_s": load["spans_per_s"],
        "cpu_s_per_million": used / max(load["spans"], 1) * 1e6,
        "p50_ms": load["p50_ms"] or 0.0,
    }
