"""Runs made of spans as columns, in ClickHouse's format ``JSONColumns``.

Column by column neither side looks at a name more than once: written and read in half the time of a JSON object a row.
A column that is left out has its default.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from flightdeck.otel.runs import ModelUsage, Run, main_model
from flightdeck.store.eventrows import HOUR_US, column_us
from flightdeck.store.precedence import Place, Stored
from flightdeck.store.seen import Seen

_LATEST_US = column_us(datetime.max.replace(tzinfo=UTC))


class NewRun(NamedTuple):
    """A run to be written; ``run_key`` and ``trace_key`` are the index keys of its id and of its trace."""

    workspace: int
    run: Run
    version: int
    run_key: int
    trace_key: int
    named_by_span: bool

    def stored(self) -> Stored:
        """The index's row of it, once it is written."""
        run = self.run
        hour = moment_us(run) // HOUR_US * 3600
        place = Place(self.workspace, run.agent_id, run.release_id, run.environment, hour, run.run_id)
        return Stored(place, run.trace_id, self.version, True, "otlp", "run_end", b"")


def moment_us(run: Run) -> int:
    """When a run happened, as columns hold it: what happens after 2099 happens at its end, as for events."""
    return min(run.timestamp_us, _LATEST_US)


def named_by_span(run: Run) -> bool:
    """Whether a run's id is made of its trace and span; then it has the index key of its trace."""
    return run.run_id == f"{run.trace_id}-{run.span_id}"


def run_rows(new: Sequence[NewRun]) -> bytes:
    """The rows of ``runs``."""
    runs = [row.run for row in new]
    moments = list(map(moment_us, runs))
    models = [run.models for run in runs]
    totals = [_totals(of_run) for of_run in models]
    tools = [run.tools for run in runs]
    creation = [[row.creation for row in of_run] for of_run in models]
    reasoning = [[row.reasoning for row in of_run] for of_run in models]
    invocations = [[number for _, number in of_run] for of_run in tools]
    columns: dict[str, list[object]] = {
        "workspace": [row.workspace for row in new],
        "agent_id": [run.agent_id for run in runs],
        "release_id": [run.release_id for run in runs],
        "environment": [run.environment for run in runs],
        "hour": [us // HOUR_US * 3600 for us in moments],
        "timestamp": [f"{us // 1_000_000}.{us % 1_000_000:06}" for us in moments],
        "run_key": [row.run_key for row in new],
        "run_id": [run.run_id for run in runs],
        "named_by_span": [row.named_by_span for row in new],
        "version": [row.version for row in new],
        "source": ["otlp"] * len(runs),
        "run_kind": [run.run_kind for run in runs],
        "workspace_id": ["ws_local"] * len(runs),
        "tenant_id": [run.tenant_id for run in runs],
        "task_id": [run.task_id for run in runs],
        "session_id": [run.session_id or "" for run in runs],
        "latency_ms": [run.latency_ms for run in runs],
        "success": [run.success for run in runs],
        "error_type": [run.error_type or "" for run in runs],
        "provider": [total[0] for total in totals],
        "model": [total[1] for total in totals],
        "input_tokens": [total[2] for total in totals],
        "output_tokens": [total[3] for total in totals],
        "cached_input_tokens": [total[4] for total in totals],
        "creation_tokens": list(map(sum, creation)),
        "reasoning_tokens": list(map(sum, reasoning)),
        "models.provider": [[row.provider for row in of_run] for of_run in models],
        "models.model": [[row.model for row in of_run] for of_run in models],
        "models.input_tier": [[row.input_tier for row in of_run] for of_run in models],
        "models.calls": [[row.calls for row in of_run] for of_run in models],
        "models.input": [[row.input for row in of_run] for of_run in models],
        "models.cached": [[row.cached for row in of_run] for of_run in models],
        "models.creation": list(creation),
        "models.output": [[row.output for row in of_run] for of_run in models],
        "models.reasoning": list(reasoning),
        "tools.name": [[name for name, _ in of_run] for of_run in tools],
        "tools.invocations": list(invocations),
        "tools.cost_units": [[0] * len(of_run) for of_run in tools],
        "tool_invocations": list(map(sum, invocations)),
        "calls_without_usage": [run.calls_without_usage for run in runs],
        "bad_time": [run.bad_time for run in runs],
        "cached_exceeds_input": [run.cached_exceeds_input for run in runs],
        "truncated": [run.truncated for run in runs],
    }
    if not all(columns["named_by_span"]):
        columns["trace_id"] = ["" if row.named_by_span else row.run.trace_id for row in new]
        columns["span_id"] = ["" if row.named_by_span else row.run.span_id for row in new]
    return orjson.dumps(columns)


def index_rows(new: Sequence[NewRun]) -> bytes:
    """The rows of ``run_index``: under the key of each run's id and, where that is another one, of its trace."""
    others = [row for row in new if row.run_key != row.trace_key]
    rows = [*new, *others]
    columns: dict[str, list[object]] = {
        "key": [*(row.run_key for row in new), *(row.trace_key for row in others)],
        "workspace": [row.workspace for row in rows],
        "agent_id": [row.run.agent_id for row in rows],
        "release_id": [row.run.release_id for row in rows],
        "environment": [row.run.environment for row in rows],
        "hour": [moment_us(row.run) // HOUR_US * 3600 for row in rows],
        "run_id": [row.run.run_id for row in rows],
        "version": [row.version for row in rows],
        "source": ["otlp"] * len(rows),
    }
    if others:
        columns["trace_id"] = ["" if row.run_key == row.trace_key else row.run.trace_id for row in rows]
    return orjson.dumps(columns)


def releases(new: Iterable[NewRun]) -> dict[Seen, int]:
    """The releases of runs, each with its earliest moment."""
    earliest: dict[Seen, int] = {}
    for row in new:
        run = row.run
        release, us = (row.workspace, run.release_id, run.agent_id, run.environment), moment_us(run)
        if us < earliest.get(release, us + 1):
            earliest[release] = us
    return earliest


def _totals(models: Sequence[ModelUsage]) -> tuple[str, str, int, int, int]:
    """Main provider and model of a run; input, output and cached tokens of all."""
    if len(models) == 1:
        row = models[0]
        return row.provider, row.model, row.input, row.output, row.cached
    provider, model = main_model(models)
    return (
        provider,
        model,
        sum(row.input for row in models),
        sum(row.output for row in models),
        sum(row.cached for row in models),
    )
