"""Runs made of spans as the columns of ``run_rows``, in one piece of JSON.

Column by column (``JSONColumns``) neither side looks at a name more than once: written and read in half the time of a
JSON object a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson

from flightdeck.otel.runs import ModelUsage, Run, main_model
from flightdeck.store import runindex
from flightdeck.store.eventrows import HOUR_US
from flightdeck.store.precedence import Place, Stored


class NewRun(NamedTuple):
    """A run to be written; ``run_key`` and ``trace_key`` are the index keys of its id and of its trace."""

    workspace: int
    run: Run
    version: int
    run_key: int
    trace_key: int

    def stored(self) -> Stored:
        """The index's row of it, once it is written."""
        run = self.run
        hour = run.timestamp_us // HOUR_US * 3600
        place = Place(self.workspace, run.agent_id, run.release_id, run.environment, hour, run.run_id)
        return Stored(place, run.trace_id, self.version, True, "otlp", "run_end", b"")


def named_by_span(run: Run) -> bool:
    """Whether a run's id is made of its trace and span; then it has the index key of its trace."""
    return run.run_id == f"{run.trace_id}-{run.span_id}"


def json(new: Sequence[NewRun], beaten: Iterable[tuple[Stored, int]]) -> bytes:
    """The rows of new runs, and those that take stored rows back, in ClickHouse's format ``JSONColumns``."""
    columns = _columns(new)
    for row in (runindex.taken_back(*pair) for pair in beaten):
        for name, column in columns.items():
            column.append(row.get(name))  # a null is a column's default
    return orjson.dumps(columns)


def _columns(new: Sequence[NewRun]) -> dict[str, list[object]]:
    runs = [row.run for row in new]
    models = [run.models for run in runs]
    totals = [_totals(of_run) for of_run in models]
    tools = [run.tools for run in runs]
    return {
        "workspace": [row.workspace for row in new],
        "agent_id": [run.agent_id for run in runs],
        "release_id": [run.release_id for run in runs],
        "environment": [run.environment for run in runs],
        "timestamp_us": [run.timestamp_us for run in runs],
        "run_key": [row.run_key for row in new],
        "trace_key": [row.trace_key for row in new],
        "run_id": [run.run_id for run in runs],
        "version": [row.version for row in new],
        "is_deleted": [0] * len(runs),
        "source": ["otlp"] * len(runs),
        "type": ["run_end"] * len(runs),
        "run_kind": [run.run_kind for run in runs],
        "workspace_id": ["ws_local"] * len(runs),
        "tenant_id": [run.tenant_id for run in runs],
        "task_id": [run.task_id for run in runs],
        "session_id": [run.session_id or "" for run in runs],
        "trace_id": [run.trace_id for run in runs],
        "span_id": [run.span_id for run in runs],
        "latency_ms": [run.latency_ms for run in runs],
        "success": [run.success for run in runs],
        "error_type": [run.error_type or "" for run in runs],
        "provider": [total[0] for total in totals],
        "model": [total[1] for total in totals],
        "input_tokens": [total[2] for total in totals],
        "output_tokens": [total[3] for total in totals],
        "cached_input_tokens": [total[4] for total in totals],
        "models.provider": [[row.provider for row in of_run] for of_run in models],
        "models.model": [[row.model for row in of_run] for of_run in models],
        "models.input_tier": [[row.input_tier for row in of_run] for of_run in models],
        "models.calls": [[row.calls for row in of_run] for of_run in models],
        "models.input": [[row.input for row in of_run] for of_run in models],
        "models.cached": [[row.cached for row in of_run] for of_run in models],
        "models.creation": [[row.creation for row in of_run] for of_run in models],
        "models.output": [[row.output for row in of_run] for of_run in models],
        "models.reasoning": [[row.reasoning for row in of_run] for of_run in models],
        "tools.name": [[name for name, _ in of_run] for of_run in tools],
        "tools.invocations": [[invocations for _, invocations in of_run] for of_run in tools],
        "tools.cost_units": [[0] * len(of_run) for of_run in tools],
        "calls_without_usage": [run.calls_without_usage for run in runs],
        "bad_time": [run.bad_time for run in runs],
        "cached_exceeds_input": [run.cached_exceeds_input for run in runs],
        "truncated": [run.truncated for run in runs],
    }


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
