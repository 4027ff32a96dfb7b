"""What a round of assembly costs as the store grows: the same 10,000 new spans, more and more stored ones.

``python -m benchmarks.growth --help`` measures in a process of its own and prints one JSON line: spans of ten days are
made by SQL, in as many parts as so many inserts leave; then rounds assemble traces that have just landed. Beside the
rounds stand their reading of spans, with the look-up of since when each trace has landed (``store/traces.py``), and the
same reading through all parts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.figures import Figures, table
from benchmarks.measured import folder, module, say
from benchmarks.payload import SPANS_A_TRACE, template
from flightdeck.ingest.check import suffix
from flightdeck.ingest.rounds import Rounds
from flightdeck.otel.receiver.wire import varint
from flightdeck.otel.releases import KnownReleases
from flightdeck.otel.runs import Options
from flightdeck.settings import AssemblySettings, load
from flightdeck.store import landing, schema, spans, traces
from flightdeck.store.client import Engine
from flightdeck.store.landing import Landing

STORED, QUICK = (0.0, 1.0, 5.0, 20.0), (0.0, 0.5, 2.0)
"""Millions of spans."""
DAYS = 10
SPANS_A_ROUND, SPANS_A_REQUEST, REQUESTS_A_BATCH, ROUNDS = 10_000, 500, 10, 9
SPANS_AT_ONCE = 500_000
MERGED_S = 60.0
WRITER, FORMER = 1, 2

T = TypeVar("T")

_TRACE = "MD5(toString(number))"
_LANDED = "{from:UInt64} + (number - {first:UInt64}) * {step:UInt64}"
_SPANS = f"""
INSERT INTO spans (workspace, writer, trace_id, span_id, parent_id, name, scope, start_ns, end_ns, landed_us, kind,
    input, output, model, provider, resource_release_id, service_name)
SELECT 0, {FORMER}, {_TRACE}, reinterpretAsFixedString(child), if(child = 1, '', reinterpretAsFixedString(toUInt64(1))),
    'chat gpt-4.1', 'bench', landed * 1000 - 900000000, landed * 1000, {_LANDED} AS landed, 'llm', 900, 100, 'gpt-4.1',
    'openai', 'rel_growth000000', 'bench'
FROM numbers({{first:UInt64}}, {{number:UInt64}})
ARRAY JOIN arrayMap(x -> toUInt64(x), range(1, {SPANS_A_TRACE + 1})) AS child
"""
_NOTED = f"""
INSERT INTO traces
SELECT reinterpretAsUInt64(substring({_TRACE}, 9)), toStartOfHour(toDateTime(intDiv({_LANDED}, 1000000), 'UTC'))
FROM numbers({{first:UInt64}}, {{number:UInt64}})
"""
_RUNS = f"""
INSERT INTO run_index (key, workspace, agent_id, release_id, environment, hour, run_id, version, source)
SELECT reinterpretAsUInt64(substring(SHA256(lower(hex({_TRACE}))), 1, 8)), 0, 'bench', 'rel_growth000000', 'local',
    toStartOfHour(toDateTime(intDiv({_LANDED}, 1000000), 'UTC')), concat(lower(hex({_TRACE})), '-0100000000000000'),
    43980465111040, 'otlp'
FROM numbers({{first:UInt64}}, {{number:UInt64}})
"""


def measure(*, quick: bool) -> dict[str, Any]:
    """All stages, in one store that grows."""
    say("growth")
    with folder() as where:
        stored = QUICK if quick else STORED
        return module("growth", where, *stored, timeout_s=1200)


def show(found: dict[str, Any]) -> str:
    """The table."""
    rows = [[f"{stage['stored'] / 1e6:g} M", *list(stage.values())[1:]] for stage in found["stages"]]
    head = ["spans stored", *(name.replace("_", " ") for name in list(found["stages"][0])[1:])]
    return f"Assembly of {SPANS_A_ROUND:,} new spans as the store grows, medians of {ROUNDS}\n\n{table(head, rows)}"


def _fill(engine: Engine, first: int, number: int) -> None:
    """So many traces more, from one number on, over the last ten days but for the last hour."""
    span_us = (DAYS * 24 - 1) * 3_600_000_000
    began_us = time.time_ns() // 1000 - DAYS * 24 * 3_600_000_000
    portion = SPANS_AT_ONCE // SPANS_A_TRACE
    for done in range(0, number, portion):
        some = min(portion, number - done)
        bound = {"first": first + done, "number": some, "from": began_us + span_us * done // number}
        bound["step"] = span_us // number
        for sql in (_SPANS, _NOTED, _RUNS):
            engine.command(sql, bound, {"optimize_on_insert": 0, "max_partitions_per_insert_block": 0})


def _until_merged(engine: Engine) -> None:
    deadline = time.monotonic() + MERGED_S
    while engine.query("SELECT count() FROM system.merges").data[0][0] and time.monotonic() < deadline:
        time.sleep(0.5)  # a poll: the engine has no other way to say so


class _Costs:
    """Wall and CPU milliseconds of calls in this process, by name."""

    def __init__(self) -> None:
        self._all: dict[str, list[float]] = {}

    def of(self, name: str, call: Callable[[], T]) -> T:
        wall, cpu = time.perf_counter(), time.process_time()
        answer = call()
        self._all.setdefault(f"{name}_cpu_ms", []).append((time.process_time() - cpu) * 1000)
        self._all.setdefault(f"{name}_ms", []).append((time.perf_counter() - wall) * 1000)
        return answer

    def medians(self) -> Figures:
        return {name: round(statistics.median(values), 1) for name, values in self._all.items()}


def _stage(engine: Engine, way_in: Landing, rounds: Rounds) -> Figures:
    """Some rounds, and their parts once more for themselves."""
    body = template(SPANS_A_REQUEST, lean=True, release_id="rel_growth000000")
    costs = _Costs()
    for _ in range(ROUNDS):
        began_us = landed_us = time.time_ns() // 1000
        for _ in range(SPANS_A_ROUND // SPANS_A_REQUEST // REQUESTS_A_BATCH):
            landed_us = max(time.time_ns() // 1000, landed_us + 1)
            sent = [body.fresh() + suffix(0, landed_us, WRITER) for _ in range(REQUESTS_A_BATCH)]
            way_in.land(b"".join(varint(len(one)) + one for one in sent))
        costs.of("round", partial(rounds.run, landed_us))
        touched, _ = spans.touched(engine, WRITER, began_us, landed_us, SPANS_A_ROUND)
        keys = [(touch.workspace, touch.trace_id) for touch in touched]
        since = costs.of("look_up", partial(traces.note, engine, dict.fromkeys(keys)))
        found = costs.of("read", partial(spans.read, engine, since))
        everywhere = costs.of("read_all_parts", partial(spans.read, engine, dict.fromkeys(keys, 0)))
        if {key: len(some) for key, some in found.items()} != {key: len(some) for key, some in everywhere.items()}:
            raise SystemExit("What is read since the first landing is not all")
    return costs.medians()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("stored", type=float, nargs="+", help="millions of spans, growing")
    options = parser.parse_args()
    engine = Engine.open(load({}, workspace=options.workspace).engine)
    try:
        schema.migrate(engine)
        way_in = landing.prepare(engine)
        rounds = Rounds(
            engine,
            KnownReleases,
            AssemblySettings(),
            writer=WRITER,
            retention_days=30,
            options=Options(),
            clock_us=lambda: time.time_ns() // 1000,
        )
        rounds.open()
        stages, filled = [], 0
        for millions in options.stored:
            number = round(millions * 1e6) // SPANS_A_TRACE
            _fill(engine, filled, number - filled)
            filled = number
            _until_merged(engine)
            parts = engine.query(
                "SELECT count() FROM system.parts WHERE active AND database = currentDatabase() AND table = 'spans'"
            )
            stages.append(
                {"stored": filled * SPANS_A_TRACE, "parts": parts.data[0][0], **_stage(engine, way_in, rounds)}
            )
        print(json.dumps({"stages": stages}))
    finally:
        engine.close()


if __name__ == "__main__":
    main()
