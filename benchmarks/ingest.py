"""From the wire to runs: spans/s and CPU seconds per million spans, beside a collector that throws spans away.

Each round measures every kind of request against FlightDeck and against the collector in turn, over equal connections.
FlightDeck's figures count until all runs of the spans sent are stored; what is stored is counted in the store itself.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.figures import Figures, medians, ratio, spread, table
from benchmarks.measured import Peer, blackhole, cpu_s, flightdeck, folder, memory_mb, module, say, until_quiet
from benchmarks.payload import SPANS_A_TRACE
from tests.serving import Server

KINDS = tuple((protocol, lean) for protocol in ("http", "grpc") for lean in (False, True))
CONNECTIONS, SPANS = 64, 500
ASSEMBLED_S = 120.0


def measure(*, quick: bool) -> dict[str, Any]:
    """All rounds."""
    ours: dict[str, list[Figures]] = {}
    theirs: dict[str, list[Figures]] = {}
    engines: dict[str, list[Figures]] = {}
    memory: list[Figures] = []
    for number in range(1 if quick else 3):
        say(f"ingest, round {number + 1}")
        with folder() as where, folder() as beside:
            with flightdeck(where) as server, blackhole(beside) as peer:
                idle, _ = memory_mb(server.process.pid)
                sent = {}
                for kind in KINDS:
                    name = _name(*kind)
                    figures, release, spans = _ours(server, kind, seconds=4 if quick else 6)
                    ours.setdefault(name, []).append(figures)
                    theirs.setdefault(name, []).append(_theirs(peer, kind, seconds=3 if quick else 4))
                    sent[release] = spans
                _, peak = memory_mb(server.process.pid)
                alone = {f"p50_ms {protocol}": _alone(server, protocol) for protocol in ("http", "grpc")}
                memory.append({"idle_mb": idle, "peak_mb": peak, **alone})
            _check(where, sent)
        for lean in (False, True):
            with folder() as where:
                say(f"  the engine alone{', lean' if lean else ''}")
                found = module("store", where, "land", "--seconds", 3, *(["--lean"] if lean else []), timeout_s=120)
                engines.setdefault("lean" if lean else "3.2 KB", []).append(
                    {"cpu_s_per_million": found["cpu_s_per_million"], "spans_per_s": found["spans_per_s"]}
                )
    return {
        "rounds": {"flightdeck": ours, "rotel": theirs, "engine": engines, "server": memory},
        "flightdeck": {name: medians(rounds) for name, rounds in ours.items()},
        "rotel": {name: medians(rounds) for name, rounds in theirs.items()},
        "engine": {name: medians(rounds) for name, rounds in engines.items()},
        "server": medians(memory),
        "ratios": {
            name: {
                "spans_per_s over rotel": ratio(ours[name], theirs[name], "spans_per_s"),
                "acknowledged over rotel": ratio(ours[name], theirs[name], "acknowledged_per_s"),
                "cpu over rotel": ratio(ours[name], theirs[name], "cpu_s_per_million"),
                "cpu over engine": ratio(ours[name], engines[name.partition(" ")[2]], "cpu_s_per_million"),
                "spread of cpu": spread(ours[name], "cpu_s_per_million"),
            }
            for name in ours
        },
    }


def show(found: dict[str, Any]) -> str:
    """The tables."""
    ours, theirs, ratios = found["flightdeck"], found["rotel"], found["ratios"]
    rows = [
        [
            name,
            *(ours[name][key] for key in ("acknowledged_per_s", "spans_per_s", "landing_cpu", "cpu_s_per_million")),
            *(theirs[name][key] for key in ("spans_per_s", "cpu_s_per_million")),
            *(ratios[name][key] for key in ("spans_per_s over rotel", "cpu over rotel", "cpu over engine")),
        ]
        for name in ours
    ]
    head = ["", "acked/s", "to runs/s", "CPU-s/M landed", "to runs", "rotel/s", "CPU-s/M", "rate ratio", "CPU ratio"]
    engine = [[name, *figures.values()] for name, figures in found["engine"].items()]
    server = found["server"]
    return "\n\n".join(
        (
            f"Ingest: {CONNECTIONS} connections, {SPANS} spans a request, medians",
            table([*head, "over engine"], rows),
            table(["engine alone", "CPU-s/M", "spans/s"], engine),
            table(list(server), [list(server.values())]),
        )
    )


def _name(protocol: str, lean: bool) -> str:
    return f"{protocol} {'lean' if lean else '3.2 KB'}"


def _load(target: str, protocol: str, seconds: float, *more: object) -> dict[str, Any]:
    address = target.replace("http://", "grpc://") if protocol == "grpc" else target
    return module("load", address, "--seconds", seconds, *more, timeout_s=seconds + 120)


def _ours(server: Server, kind: tuple[str, bool], seconds: float) -> tuple[Figures, str, int]:
    protocol, lean = kind
    say(f"  FlightDeck, {_name(protocol, lean)}")
    pid = server.process.pid
    until_quiet(pid)
    release = f"rel_{protocol}{'lean' if lean else 'full'}0000"
    more = ("--connections", CONNECTIONS, "--spans", SPANS, "--release", release, *(["--lean"] if lean else []))
    began, before = time.monotonic(), cpu_s(pid)
    load = _load(server.otlp_grpc if protocol == "grpc" else server.otlp_http, protocol, seconds, *more)
    landed = cpu_s(pid) - before
    _assembled(server, release, load["spans"] // SPANS_A_TRACE)
    to_runs, elapsed = cpu_s(pid) - before, time.monotonic() - began
    million = load["spans"] / 1e6
    # The generator's own start is no work of the server's.
    to_runs_s = elapsed - (load["start_s"])
    return (
        {
            "acknowledged_per_s": load["spans_per_s"],
            "spans_per_s": load["spans"] / to_runs_s,
            "landing_cpu": landed / million,
            "cpu_s_per_million": to_runs / million,
            "p50_ms": load["p50_ms"],
            "refusals": float(load["requests"] - load["answers"].get("200", 0) - load["answers"].get("OK", 0)),
        },
        release,
        load["spans"],
    )


def _theirs(peer: Peer, kind: tuple[str, bool], seconds: float) -> Figures:
    protocol, lean = kind
    say(f"  rotel, {_name(protocol, lean)}")
    more = ("--connections", CONNECTIONS, "--spans", SPANS, *(["--lean"] if lean else []))
    before = cpu_s(peer.pid)
    load = _load(peer.grpc if protocol == "grpc" else peer.url, protocol, seconds, *more)
    used = cpu_s(peer.pid) - before
    rate = float(load["spans_per_s"])
    return {"spans_per_s": rate, "acknowledged_per_s": rate, "cpu_s_per_million": used / load["spans"] * 1e6}


def _alone(server: Server, protocol: str) -> float:
    say(f"  one exporter, {protocol}")
    target = server.otlp_grpc if protocol == "grpc" else server.otlp_http
    load = _load(target, protocol, 3, "--connections", 1, "--spans", 50, "--release", "rel_alone0000000")
    return float(load["p50_ms"])


def _assembled(server: Server, release: str, runs: int) -> None:
    """Returns when a release has so many runs. Asked seldom: asking costs the server's CPU too."""
    deadline = time.monotonic() + ASSEMBLED_S
    listed = 0
    while time.monotonic() < deadline:
        asked = {"release_id": release, "window": "1d", "limit": 1}
        answer = httpx.get(f"{server.url}/v1/runs", params=asked, timeout=60)
        listed = answer.json().get("matched_total", 0)
        if listed >= runs:
            return
        time.sleep(0.5)
    raise SystemExit(f"{release}: {listed} of {runs} runs after {ASSEMBLED_S} s")


def _check(where: Path, sent: dict[str, int]) -> None:
    """Counts in the store what was acknowledged."""
    found = module("store", where, "count", timeout_s=120)
    for release, spans in sent.items():
        stored, runs = found["spans"].get(release), found["runs"].get(release)
        if (stored, runs) != (spans, spans // SPANS_A_TRACE):
            raise SystemExit(f"{release}: {spans} spans acknowledged, {stored} stored, {runs} runs")
