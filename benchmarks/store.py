"""What needs the store itself, as a process of its own: ``python -m benchmarks.store --help``. Prints one JSON line.

``count`` says how many spans and runs a workspace holds; ``fill`` makes runs in its store; ``moved`` says how many
bytes a diff over them gets from the engine; ``land`` measures the engine alone, from the wire's bytes to stored spans,
without a server and without runs.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.payload import template
from flightdeck.ingest.check import suffix
from flightdeck.models import Policy
from flightdeck.pricing import defaults
from flightdeck.pricing.tariff import Tariff, UsageKey
from flightdeck.releases.asking import Question
from flightdeck.releases.catalog import Catalog
from flightdeck.releases.costs import Prices
from flightdeck.releases.evidence import Evidence
from flightdeck.releases.record import packed
from flightdeck.settings import load
from flightdeck.store import landing, schema
from flightdeck.store.client import Columns, Engine
from flightdeck.store.cohort import CohortQuery

RUNS_AT_ONCE = 250_000
TASKS, TENANTS = 16, 40

JUDGED = Policy.model_validate(
    {
        "policy_id": "benchmark",
        "require_high_diff_confidence": False,
        "statistics": {
            "guardrails": [
                {"metric": "error_rate", "absolute": 0.02},
                {"metric": "latency_ms", "relative": 0.1},
                {"metric": "latency_ms", "estimand": "p95", "relative": 0.2},
                {"metric": "cost_usd", "relative": 0.1},
            ]
        },
    }
)
"""A policy that asks for everything that costs: cells, hours, a histogram by tenant and task."""

_MADE = """
    lower(hex(MD5(toString(number)))) AS trace,
    substring(lower(hex(MD5(concat('s', toString(number))))), 1, 16) AS span,
    cityHash64(number) AS r, 900 + r % 600 AS input, 100 + r % 90 AS output, r % 100 >= 3 AS good,
    reinterpretAsUInt64(substring(unhex(trace), 1, 8)) AS key,
    if(number % 2, {candidate:String}, {baseline:String}) AS release, concat(trace, '-', span) AS id,
    43980465111040 + number AS made, toDateTime({now:UInt32} - (r % 79200 + 600), 'UTC') AS moment
"""
_RUNS = f"""
INSERT INTO runs (
    workspace, agent_id, release_id, environment, timestamp, hour, run_key, run_id, named_by_span, version, source,
    type, run_kind, workspace_id, tenant_id, task_id, latency_ms, success, error_type, provider, model, input_tokens,
    output_tokens, cached_input_tokens, `models.provider`, `models.model`, `models.input_tier`, `models.calls`,
    `models.input`, `models.cached`, `models.creation`, `models.output`, `models.reasoning`, `tools.name`,
    `tools.invocations`, `tools.cost_units`, tool_invocations)
WITH {_MADE}
SELECT 0, 'support', release, 'local', moment, toStartOfHour(moment), key, id, 1, made, 'otlp', 'run_end', 'agent',
    'ws_local', concat('tenant-', toString(intDiv(r, 64) % {{tenants:UInt32}})),
    concat('task-', toString(r % {{tasks:UInt32}})), 200 + r % 3000, good, if(good, '', 'timeout'), 'openai', 'gpt-4.1',
    input, output, 256, ['openai'], ['gpt-4.1'], [0], [3], [input], [256], [0], [output], [0], ['search'], [1], [0], 1
FROM numbers({{first:UInt64}}, {{number:UInt64}})
"""
_INDEX = f"""
INSERT INTO run_index (key, workspace, agent_id, release_id, environment, hour, run_id, version, source, type)
WITH {_MADE}
SELECT key, 0, 'support', release, 'local', toStartOfHour(moment), id, made, 'otlp', 'run_end'
FROM numbers({{first:UInt64}}, {{number:UInt64}})
"""


def count(engine: Engine, options: argparse.Namespace) -> dict[str, Any]:
    """Distinct spans and runs, by release."""
    del options
    spans = "SELECT resource_release_id, uniqExact(trace_id, span_id) FROM spans GROUP BY 1"
    runs = "SELECT release_id, count() FROM runs FINAL GROUP BY 1"
    return {"spans": dict(engine.query(spans).rows()), "runs": dict(engine.query(runs).rows())}


def fill(engine: Engine, options: argparse.Namespace) -> dict[str, Any]:
    """Makes runs: two releases, some tasks and tenants, the last 22 hours; merges them; bytes a run on disk."""
    schema.migrate(engine)
    for first in range(0, options.runs, RUNS_AT_ONCE):
        number = min(RUNS_AT_ONCE, options.runs - first)
        bound = {"first": first, "number": number, "baseline": options.releases[0], "candidate": options.releases[1]}
        bound["now"] = int(time.time())
        engine.command(_RUNS, {**bound, "tasks": options.tasks, "tenants": options.tenants}, {"max_block_size": 20_000})
        engine.command(_INDEX, bound)
    seen = [(0, release, "support", "local", int(time.time() - 86_400) * 1_000_000) for release in options.releases]
    names = ("workspace", "release_id", "agent_id", "environment", "first_us")
    engine.insert_columns("releases_seen", names, list(zip(*seen, strict=True)))
    for table in ("runs", "run_index"):
        engine.command(f"OPTIMIZE TABLE {table} FINAL")
    parts = engine.query(
        "SELECT table, sum(bytes_on_disk), sum(rows) FROM system.parts WHERE active AND database = currentDatabase() "
        "AND table IN ('runs', 'run_index') GROUP BY table"
    )
    sizes = {table: size for table, size, _ in parts.rows()}
    runs = engine.query("SELECT count() FROM runs FINAL").data[0][0]
    return {"runs": runs, **{f"{table}_bytes_a_run": round(size / runs, 1) for table, size in sizes.items()}}


class _Counting:
    """A store whose answers are counted in bytes, as the engine gives them (format Native)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.embedded = engine.embedded
        self.bytes = self.queries = 0

    def query(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> Columns:
        with self._engine._client() as client:  # noqa: SLF001 - the engine itself gives no bytes
            raw = client.raw_query(sql, parameters=dict(parameters or {}), settings=dict(settings or {}), fmt="Native")
        self.bytes += len(raw)
        self.queries += 1
        return self._engine.query(sql, parameters, settings)


def moved(engine: Engine, options: argparse.Namespace) -> dict[str, Any]:
    """Asks what a diff by ``JUDGED`` asks, and counts queries, cells and bytes."""
    now = datetime.now(UTC)
    counting = _Counting(engine)
    store = Evidence.of(counting)  # type: ignore[arg-type]
    sides = [
        CohortQuery(release_ids=(release_id,), environment="local", since=now - timedelta(days=1), until=now)
        for release_id in options.releases
    ]
    question = Question(sides, "support", store, JUDGED.statistics)
    answered = question.answered(_priced)
    grounds = answered.evidence(now, 0)
    return {
        "queries": counting.queries,
        "bytes_moved": counting.bytes,
        "cells": sum(len(arm.cells) for arm in grounds.arms),
        "hourly_cells": sum(len(arm.hourly) for arm in grounds.arms),
        "kept_bytes": len(packed(grounds.to_json())),
    }


def _priced(used: Sequence[Sequence[UsageKey]]) -> Prices:
    rows = tuple(row for key in sorted({*used[0], *used[1]}) for row in defaults.rows(key))
    return Prices([Tariff("defaults", rows)], (0, 0), (), [set(own) for own in used], (), Catalog())


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
        "moved": moved,
        "land": land,
    }
    parser.add_argument("action", choices=actions)
    parser.add_argument("--releases", nargs=2, default=("rel_benchbase0000", "rel_benchcand0000"))
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--tenants", type=int, default=TENANTS)
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
