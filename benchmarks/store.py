"""What needs the store itself, as a process of its own: ``python -m benchmarks.store --help``. Prints one JSON line.

``count`` says how many spans and runs a workspace holds; ``fill`` makes runs in its store; ``land`` measures the engine
alone, from the wire's bytes to stored spans, without a server and without runs.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.payload import template
from flightdeck.ingest.check import suffix
from flightdeck.settings import load
from flightdeck.store import landing, schema
from flightdeck.store.client import Engine

RUNS_AT_ONCE = 250_000
TASKS, TENANTS = 16, 40

_RUNS = """
INSERT INTO run_rows (
    workspace, agent_id, release_id, environment, timestamp_us, run_key, trace_key, run_id, version, source, type,
    run_kind, workspace_id, tenant_id, task_id, trace_id, span_id, latency_ms, success, error_type, provider, model,
    input_tokens, output_tokens, cached_input_tokens, `models.provider`, `models.model`, `models.input_tier`,
    `models.calls`,
    `models.input`, `models.cached`, `models.creation`, `models.output`, `models.reasoning`, `tools.name`,
    `tools.invocations`, `tools.cost_units`)
WITH lower(hex(MD5(toString(number)))) AS trace,
    substring(lower(hex(MD5(concat('s', toString(number))))), 1, 16) AS span,
    cityHash64(number) AS r, 900 + r % 600 AS input, 100 + r % 90 AS output, r % 100 >= 3 AS good
SELECT 0, 'support', if(number % 2, {candidate:String}, {baseline:String}), 'local',
    toUnixTimestamp64Micro(now64(6)) - (r % 79200 + 600) * 1000000,
    reinterpretAsUInt64(substring(unhex(trace), 1, 8)) AS key, key,
    concat(trace, '-', span), 43980465111040 + number, 'otlp', 'run_end', 'agent', 'ws_local',
    concat('tenant-', toString(intDiv(r, 64) % {tenants:UInt32})), concat('task-', toString(r % {tasks:UInt32})),
    trace, span,
    200 + r % 3000, good, if(good, '', 'timeout'), 'openai', 'gpt-4.1', input, output, 256,
    ['openai'], ['gpt-4.1'], [0], [3], [input], [256], [0], [output], [0], ['search'], [1], [0]
FROM numbers({first:UInt64}, {number:UInt64})
"""


def count(engine: Engine, options: argparse.Namespace) -> dict[str, Any]:
    """Distinct spans and runs, by release."""
    del options
    spans = "SELECT resource_release_id, uniqExact(trace_id, span_id) FROM spans GROUP BY 1"
    runs = "SELECT release_id, count() FROM runs FINAL GROUP BY 1"
    return {"spans": dict(engine.query(spans).rows()), "runs": dict(engine.query(runs).rows())}


def fill(engine: Engine, options: argparse.Namespace) -> dict[str, Any]:
    """Makes runs: two releases, 16 tasks, 40 tenants, the last 22 hours; merges them; bytes a run on disk."""
    schema.migrate(engine)
    for first in range(0, options.runs, RUNS_AT_ONCE):
        number = min(RUNS_AT_ONCE, options.runs - first)
        bound = {"first": first, "number": number, "baseline": options.releases[0], "candidate": options.releases[1]}
        engine.command(_RUNS, {**bound, "tasks": TASKS, "tenants": TENANTS}, {"max_block_size": 20_000})
    for table in ("runs", "run_index"):
        engine.command(f"OPTIMIZE TABLE {table} FINAL")
    parts = engine.query(
        "SELECT table, sum(bytes_on_disk), sum(rows) FROM system.parts WHERE active AND database = currentDatabase() "
        "AND table IN ('runs', 'run_index') GROUP BY table"
    )
    sizes = {table: size for table, size, _ in parts.rows()}
    runs = engine.query("SELECT count() FROM runs FINAL").data[0][0]
    return {"runs": runs, **{f"{table}_bytes_a_run": round(size / runs, 1) for table, size in sizes.items()}}


def land(engine: Engine, options: argparse.Namespace) -> dict[str, Any]:
    """Lands batches of 50,000 spans for some seconds."""
    schema.migrate(engine)
    table = landing.prepare(engine)
    body = template(500, lean=options.lean, release_id="rel_engine000000")
    spans, cpu, wall = 0, 0.0, 0.0
    while wall < options.seconds:
        batch = b"".join(_delimited(body.fresh() + suffix(0, time.time_ns() // 1000, 1)) for _ in range(100))
        before, began = os.times(), time.perf_counter()
        table.land(batch)
        after = os.times()
        cpu += after.user + after.system - before.user - before.system
        wall += time.perf_counter() - began
        spans += 100 * body.spans
    return {"spans": spans, "cpu_s_per_million": round(cpu / spans * 1e6, 2), "spans_per_s": round(spans / wall)}


def _delimited(message: bytes) -> bytes:
    size, head = len(message), bytearray()
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + message


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("workspace", type=Path)
    actions: dict[str, Callable[[Engine, argparse.Namespace], dict[str, Any]]] = {
        "count": count,
        "fill": fill,
        "land": land,
    }
    parser.add_argument("action", choices=actions)
    parser.add_argument("--releases", nargs=2, default=("rel_benchbase0000", "rel_benchcand0000"))
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--lean", action="store_true")
    options = parser.parse_args()
    engine = Engine.open(load({}, workspace=options.workspace).engine)
    try:
        print(json.dumps(actions[options.action](engine, options)))
    finally:
        engine.close()


if __name__ == "__main__":
    main()
