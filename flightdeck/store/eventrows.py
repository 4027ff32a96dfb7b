"""A RunEvent as a row of the store, and rows of ``runs`` as RunEvents again.

Columns are bounded, so that sums and sums of squares stay exact. An event that its columns do not hold word for word
(numbers over a bound, years outside 1970 to 2099, empty ids where null is meant) keeps its own JSON beside them: it is
counted by its columns and given back from the JSON.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from flightdeck.models import RunEvent, RunEventRequest, RunEventUsage
from flightdeck.store import runindex
from flightdeck.store.precedence import Place

MOST_TOKENS = 10**15
"""What a column holds at most of tokens, calls and invocations; more counts as this."""

MOST_LATENCY_MS = 10**12
"""The longest latency a column holds (31 years); more counts as this."""

HOUR_US = 3_600_000_000

_MOST_TIER = 255
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(2100, 1, 1, tzinfo=UTC)
_LAST = _END - timedelta(microseconds=1)
_MICROSECOND = timedelta(microseconds=1)
_to_json = RunEvent.__pydantic_serializer__.to_json


def column_us(moment: datetime) -> int:
    """A moment as a column holds it: Unix µs, not before 1970, not after 2099."""
    return (min(max(moment, _EPOCH), _LAST) - _EPOCH) // _MICROSECOND


def bound_us(moment: datetime) -> int:
    """A bound of a window in the same terms: an end after 2099 takes in all that columns hold."""
    return (min(max(moment, _EPOCH), _END) - _EPOCH) // _MICROSECOND


@dataclass(frozen=True, slots=True)
class EventRow:
    """A validated native event, ready to be stored.

    ``timestamp_us`` is its moment as columns hold it, Unix µs. ``content`` is a hash of its canonical JSON: equal for
    events that say the same. ``line`` is its JSON line for ``runs`` without the version, which ``versioned`` puts in.
    ``fits`` is whether its columns alone give the event back.
    """

    place: Place
    key: int
    timestamp_us: int
    type: str
    content: bytes
    line: bytes
    fits: bool = True

    @property
    def size(self) -> int:
        """Bytes of the line."""
        return len(self.line)

    def versioned(self, version: int) -> bytes:
        """The line to insert, with the version that decides between rows of one run."""
        return b'{"version":%d,%b' % (version, self.line)


def row_of(event: RunEvent, workspace: int = 0) -> EventRow:
    """The row of a native event.

    The event is put into its canonical form: labels sorted, ``source`` native, and what JSON has no number for is the
    largest number (costs) or null (scores).
    """
    event.source = "native"
    if len(event.labels) > 1:
        event.labels = dict(sorted(event.labels.items()))
    for tool in event.usage.tools:
        tool.cost_units = min(tool.cost_units, sys.float_info.max)
    for score in event.scores:
        score.value = score.value if score.value is not None and math.isfinite(score.value) else None
    text = _to_json(event)
    fits = _fits(event)
    held = event if fits else RunEvent.model_validate_json(_bounded(event, text))
    moment = column_us(event.timestamp)
    place = Place(
        workspace, event.agent_id, event.release_id, event.environment, moment // HOUR_US * 3600, event.run_id
    )
    key = runindex.key(event.run_id)
    columns = _columns(held, place, key)
    if not fits:
        columns["original"] = text.decode()
    content = hashlib.blake2b(text, digest_size=16).digest()
    return EventRow(place, key, moment, event.type, content, orjson.dumps(columns)[1:], fits)


def _columns(event: RunEvent, place: Place, key: int) -> dict[str, Any]:
    """The columns of ``runs`` that are not empty, by name, but for the version."""
    metrics, usage = event.metrics, event.usage
    model, models, tools = usage.model, usage.models, usage.tools
    columns: dict[str, Any] = {
        "workspace": place.workspace,
        "agent_id": place.agent_id,
        "release_id": place.release_id,
        "environment": place.environment,
        "hour": place.hour,
        "timestamp": event.timestamp.astimezone(UTC).isoformat(),
        "run_key": key,
        "run_id": place.run_id,
        "type": event.type,
        "run_kind": event.run_kind,
        "workspace_id": event.workspace_id,
        "tenant_id": event.tenant_id,
        "task_id": event.task_id,
        "latency_ms": metrics.latency_ms,
        "success": metrics.success,
        "provider": model.provider,
        "model": model.model,
        "input_tokens": model.input_tokens,
        "output_tokens": model.output_tokens,
        "cached_input_tokens": model.cached_input_tokens,
    }
    if metrics.error_type:
        columns["error_type"] = metrics.error_type
    if usage.calls_without_usage:
        columns["calls_without_usage"] = usage.calls_without_usage
    if event.request:
        columns |= _ids(event.request, event.run_id)
    if models:
        creation = [row.cache_creation_input_tokens for row in models]
        reasoning = [row.reasoning_tokens for row in models]
        columns |= {
            "creation_tokens": sum(creation),
            "reasoning_tokens": sum(reasoning),
            "models.provider": [row.provider for row in models],
            "models.model": [row.model for row in models],
            "models.input_tier": [row.input_tier or 0 for row in models],
            "models.calls": [row.calls for row in models],
            "models.input": [row.input_tokens for row in models],
            "models.cached": [row.cached_input_tokens for row in models],
            "models.creation": creation,
            "models.output": [row.output_tokens for row in models],
            "models.reasoning": reasoning,
            "cached_exceeds_input": any(
                row.cached_input_tokens + row.cache_creation_input_tokens > row.input_tokens for row in models
            ),
        }
    if tools:
        columns |= {
            "tools.name": [tool.tool_name for tool in tools],
            "tools.invocations": [tool.invocations for tool in tools],
            "tools.cost_units": [tool.cost_units for tool in tools],
            "tool_invocations": sum(tool.invocations for tool in tools),
        }
    if event.scores:
        columns |= {
            "scores.name": [score.name for score in event.scores],
            "scores.value": [score.value for score in event.scores],
            "scores.label": [score.label for score in event.scores],
        }
    if event.labels:
        columns["labels"] = event.labels
    return columns


def _ids(request: RunEventRequest, run_id: str) -> dict[str, Any]:
    """The columns of a run's ids. Those of trace and span stay empty where the run's own id says them."""
    trace_id, span_id = request.trace_id or "", request.span_id or ""
    ids: dict[str, Any] = {"session_id": request.session_id or ""}
    if trace_id and run_id == f"{trace_id}-{span_id}" and runindex.trace_of(run_id):
        ids["named_by_span"] = True
    elif trace_id or span_id:
        ids |= {"trace_id": trace_id, "span_id": span_id}
    return ids


def _fits(event: RunEvent) -> bool:
    """Whether its columns alone give the event back."""
    request, metrics = event.request, event.metrics
    if request is not None:
        ids = (request.session_id, request.trace_id, request.span_id)
        if "" in ids or not any(ids):
            return False
    return (
        (metrics.latency_ms is None or metrics.latency_ms <= MOST_LATENCY_MS)
        and metrics.error_type != ""
        and _EPOCH <= event.timestamp <= _LAST
        and _usage_fits(event.usage)
    )


def _usage_fits(usage: RunEventUsage) -> bool:
    if any(row.input_tier is not None and row.input_tier > _MOST_TIER for row in usage.models):
        return False
    return largest_count(usage) <= MOST_TOKENS


def largest_count(usage: RunEventUsage) -> int:
    """The largest number of tokens, calls or invocations of an event."""
    model = usage.model
    counts = [model.input_tokens, model.output_tokens, model.cached_input_tokens, usage.calls_without_usage]
    for row in usage.models:
        counts += (row.calls, row.input_tokens, row.cached_input_tokens, row.cache_creation_input_tokens)
        counts += (row.output_tokens, row.reasoning_tokens)
    counts += [tool.invocations for tool in usage.tools]
    return max(counts)


def _bounded(event: RunEvent, text: bytes) -> bytes:
    """The event's JSON with every number within its column's bound."""
    found: dict[str, Any] = json.loads(text)  # orjson would read huge integers as floats
    found["timestamp"] = min(max(event.timestamp, _EPOCH), _LAST).isoformat()
    metrics, usage = found["metrics"], found["usage"]
    if metrics["latency_ms"] is not None:
        metrics["latency_ms"] = min(metrics["latency_ms"], MOST_LATENCY_MS)
    usage["calls_without_usage"] = min(usage["calls_without_usage"], MOST_TOKENS)
    for row in (usage["model"], *usage["models"], *usage["tools"]):
        for name, value in row.items():
            if isinstance(value, int):
                row[name] = min(value, _MOST_TIER if name == "input_tier" else MOST_TOKENS)
    return orjson.dumps(found)


# --- back ---------------------------------------------------------------------------------------------

COLUMNS = """
    type, timestamp, workspace_id, agent_id, release_id, run_id, tenant_id, task_id, environment, session_id,
    if(named_by_span, substring(run_id, 1, 32), runs.trace_id) AS trace_id,
    if(named_by_span, substring(run_id, 34), runs.span_id) AS span_id,
    latency_ms, success, error_type, provider, model, input_tokens, output_tokens, cached_input_tokens,
    tools.name, tools.invocations, tools.cost_units,
    models.provider, models.model, models.input_tier, models.calls, models.input, models.cached, models.creation,
    models.output, models.reasoning,
    calls_without_usage, labels, run_kind, source, scores.name, scores.value, scores.label, original"""
"""The columns of ``runs`` that ``event_of`` reads, as SQL."""

_MODEL_KEYS = (
    "provider",
    "model",
    "input_tier",
    "calls",
    "input_tokens",
    "cached_input_tokens",
    "cache_creation_input_tokens",
    "output_tokens",
    "reasoning_tokens",
)
_MODEL_COLUMNS = (
    "models.provider",
    "models.model",
    "models.input_tier",
    "models.calls",
    "models.input",
    "models.cached",
    "models.creation",
    "models.output",
    "models.reasoning",
)


def event_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The RunEvent of a row of ``runs``, by column name, as JSON has it."""
    if row["original"]:
        event: dict[str, Any] = json.loads(row["original"])
        return event
    ids = {name: row[name] or None for name in ("session_id", "trace_id", "span_id")}
    event = {
        "api_version": "v1",
        "type": row["type"],
        "timestamp": row["timestamp"].replace(tzinfo=None).isoformat() + "Z",
        "workspace_id": row["workspace_id"],
        "agent_id": row["agent_id"],
        "release_id": row["release_id"],
        "run_id": row["run_id"],
        "tenant_id": row["tenant_id"],
        "task_id": row["task_id"],
        "environment": row["environment"],
        "request": ids if any(ids.values()) else None,
        "metrics": {
            "latency_ms": row["latency_ms"],
            "success": row["success"],
            "error_type": row["error_type"] or None,
        },
        "usage": {
            "model": {
                "provider": row["provider"],
                "model": row["model"],
                "input_tokens": row["input_tokens"],
                "output_tokens": row["output_tokens"],
                "cached_input_tokens": row["cached_input_tokens"],
            },
            "tools": [
                {"tool_name": name, "invocations": invocations, "cost_units": cost_units}
                for name, invocations, cost_units in zip(
                    row["tools.name"], row["tools.invocations"], row["tools.cost_units"], strict=True
                )
            ],
            "models": list(_models(row)),
            "calls_without_usage": row["calls_without_usage"],
        },
        "labels": row["labels"],
        "run_kind": row["run_kind"],
        "source": row["source"],
    }
    if row["scores.name"]:
        event["scores"] = [
            {"name": name, "value": value, "label": label}
            for name, value, label in zip(row["scores.name"], row["scores.value"], row["scores.label"], strict=True)
        ]
    return event


def _models(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for values in zip(*(row[name] for name in _MODEL_COLUMNS), strict=True):
        model = dict(zip(_MODEL_KEYS, values, strict=True))
        if not model["input_tier"]:
            del model["input_tier"]
        yield model
