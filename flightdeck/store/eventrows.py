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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from flightdeck.models import RunEvent
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
_LAST_US = (_LAST - _EPOCH) // _MICROSECOND


def column_us(moment: datetime) -> int:
    """A moment as a column holds it: Unix µs, not before 1970, not after 2099."""
    return (min(max(moment, _EPOCH), _LAST) - _EPOCH) // _MICROSECOND


def bound_us(moment: datetime) -> int:
    """A bound of a window in the same terms: an end after 2099 takes in all that columns hold."""
    return (min(max(moment, _EPOCH), _END) - _EPOCH) // _MICROSECOND


Values = dict[str, Any]
"""A native event as plain values, by the names and with the defaults of ``RunEvent``, whether or not its rules on the
rows of ``models`` were applied."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """A validated native event, ready to be stored.

    ``timestamp_us`` is its moment as columns hold it, Unix µs. ``content`` is a hash: equal for events that say the
    same. ``line`` are its values of ``USUAL`` as JSON without the version, ``rest`` those of ``RARE``, empty where all
    of these are. ``fits`` is whether its columns alone give the event back.
    """

    place: Place
    key: int
    timestamp_us: int
    type: str
    content: bytes
    line: bytes
    rest: bytes = b""
    fits: bool = True

    @property
    def size(self) -> int:
        """Bytes of all values."""
        return len(self.line) + len(self.rest)


def row_of(event: RunEvent, workspace: int = 0) -> EventRow:
    """The row of a native event."""
    return row_of_values(event.model_dump(), workspace)


def row_of_values(values: Values, workspace: int = 0) -> EventRow:
    """The same of an event's values, which it takes.

    The event is put into its canonical form: labels sorted, ``source`` native, and what JSON has no number for is the
    largest number (costs) or null (scores).
    """
    values["source"] = "native"
    if len(values["labels"]) > 1:
        values["labels"] = dict(sorted(values["labels"].items()))
    for tool in values["usage"]["tools"]:
        tool["cost_units"] = min(tool["cost_units"], sys.float_info.max)
    for score in values.get("scores", ()):
        score["value"] = score["value"] if score["value"] is not None and math.isfinite(score["value"]) else None
    run_id = values["run_id"]
    key = runindex.key(run_id)
    moment = (values["timestamp"] - _EPOCH) // _MICROSECOND
    fits = 0 <= moment <= _LAST_US and _fits(values)
    text = b""
    if not fits:
        text = RunEvent.__pydantic_serializer__.to_json(RunEvent.model_validate(values))
        values = _bounded(values)
        moment = min(max(moment, 0), _LAST_US)
    place = Place(
        workspace,
        values["agent_id"],
        values["release_id"],
        values["environment"],
        moment // HOUR_US * 3600,
        run_id,
    )
    line = orjson.dumps(_usual(values, place, key, moment))[1:-1]
    rest = _rare(values, text)
    # Of what the columns are made of where they hold all of it: a change of the columns up to here, or of their order,
    # would have repetitions of older events count as conflicts. Further columns go behind those that are hashed.
    content = hashlib.blake2b(text or line + rest, digest_size=16).digest()
    return EventRow(place, key, moment, values["type"], content, line, rest, fits)


def lines(rows: Iterable[tuple[EventRow, int]]) -> bytes:
    """Rows to insert, each with its version, in ClickHouse's ``JSONCompactEachRowWithNames``.

    The version is what decides between rows of one run. Columns are named in the data and not in the statement, which
    would cost a third more for a few rows.
    """
    some = list(rows)
    if any(row.rest for row, _ in some):
        names: Sequence[str] = (*USUAL, *RARE)
        data = [b"[%d,%b,%b]" % (version, row.line, row.rest or _NOTHING_RARE) for row, version in some]
    else:
        names = USUAL
        data = [b"[%d,%b]" % (version, row.line) for row, version in some]
    return b"\n".join([orjson.dumps(names), *data])


USUAL = (
    *("version", "workspace", "agent_id", "release_id", "environment", "hour", "timestamp", "run_key", "run_id"),
    *("type", "run_kind", "workspace_id", "tenant_id", "task_id", "session_id", "latency_ms", "success", "error_type"),
    *("provider", "model", "input_tokens", "output_tokens", "cached_input_tokens", "calls_without_usage"),
    *("models.provider", "models.model", "models.input_tier", "models.calls", "models.input", "models.cached"),
    *("models.creation", "models.output", "models.reasoning", "creation_tokens", "reasoning_tokens"),
    *("cached_exceeds_input", "tools.name", "tools.invocations", "tools.cost_units", "tool_invocations"),
)
"""The columns of ``runs`` that every event has."""

RARE = (*("named_by_span", "trace_id", "span_id", "labels", "scores.name", "scores.value", "scores.label", "original"),)
"""The columns that most events leave empty: they are only inserted where one of several does not."""

_NOTHING_RARE = orjson.dumps((False, "", "", {}, [], [], [], ""))[1:-1]


def _usual(values: Values, place: Place, key: int, moment: int) -> tuple[object, ...]:
    """The values of ``USUAL`` behind the version."""
    metrics, usage, request = values["metrics"], values["usage"], values["request"]
    model, tools = usage["model"], usage["tools"]
    invocations = [tool["invocations"] for tool in tools]
    return (
        place.workspace,
        place.agent_id,
        place.release_id,
        place.environment,
        place.hour,
        f"{moment // 1_000_000}.{moment % 1_000_000:06}",
        key,
        place.run_id,
        values["type"],
        values["run_kind"],
        values["workspace_id"],
        values["tenant_id"],
        values["task_id"],
        (request["session_id"] or "") if request else "",
        metrics["latency_ms"],
        metrics["success"],
        metrics["error_type"] or "",
        model["provider"],
        model["model"],
        model["input_tokens"],
        model["output_tokens"],
        model["cached_input_tokens"],
        usage["calls_without_usage"],
        *_models_columns(usage),
        [tool["tool_name"] for tool in tools],
        invocations,
        [tool["cost_units"] for tool in tools],
        sum(invocations),
    )


def _models_columns(usage: Values) -> tuple[object, ...]:
    """The values of ``models.*`` in the order of the columns, and those made of them.

    As ``RunEventUsage`` has it, the rows are sorted, and where there are none they are made of ``model``.
    """
    models, model = usage["models"], usage["model"]
    if not models:
        provider, name = model["provider"], model["model"]
        if not (name or provider):
            return ([], [], [], [], [], [], [], [], [], 0, 0, False)
        sent, cached = model["input_tokens"], model["cached_input_tokens"]
        written = model["output_tokens"]
        return ([provider], [name], [0], [1], [sent], [cached], [0], [written], [0], 0, 0, cached > sent)
    if len(models) > 1:
        models = sorted(models, key=lambda row: (row["provider"], row["model"], row.get("input_tier") or 0))
    creation = [row["cache_creation_input_tokens"] for row in models]
    reasoning = [row["reasoning_tokens"] for row in models]
    return (
        [row["provider"] for row in models],
        [row["model"] for row in models],
        [row.get("input_tier") or 0 for row in models],
        [row["calls"] for row in models],
        [row["input_tokens"] for row in models],
        [row["cached_input_tokens"] for row in models],
        creation,
        [row["output_tokens"] for row in models],
        reasoning,
        sum(creation),
        sum(reasoning),
        any(row["cached_input_tokens"] + row["cache_creation_input_tokens"] > row["input_tokens"] for row in models),
    )


def _rare(values: Values, text: bytes) -> bytes:
    """The values of ``RARE``; empty where all of them are.

    Ids of trace and span are left out where the run's own id says them.
    """
    request, run_id, labels, scores = values["request"], values["run_id"], values["labels"], values.get("scores", ())
    trace_id, span_id, named_by_span = "", "", False
    if request:
        trace_id, span_id = request["trace_id"] or "", request["span_id"] or ""
        if trace_id and run_id == f"{trace_id}-{span_id}" and runindex.trace_of(run_id):
            trace_id, span_id, named_by_span = "", "", True
    if not (named_by_span or trace_id or span_id or labels or scores or text):
        return b""
    rare = (
        named_by_span,
        trace_id,
        span_id,
        labels,
        [score["name"] for score in scores],
        [score["value"] for score in scores],
        [score["label"] for score in scores],
        text.decode(),
    )
    return orjson.dumps(rare)[1:-1]


def _fits(values: Values) -> bool:
    """Whether its columns, but for the time, alone give the event back."""
    request, metrics, usage = values["request"], values["metrics"], values["usage"]
    if request is not None:
        ids = (request["session_id"], request["trace_id"], request["span_id"])
        if "" in ids or not any(ids):
            return False
    latency_ms = metrics["latency_ms"]
    return (
        (latency_ms is None or latency_ms <= MOST_LATENCY_MS)
        and metrics["error_type"] != ""
        and all((row.get("input_tier") or 0) <= _MOST_TIER for row in usage["models"])
        and largest_count(usage) <= MOST_TOKENS
    )


def largest_count(usage: Values) -> int:
    """The largest number of tokens, calls or invocations of an event."""
    model = usage["model"]
    counts: list[int] = [model["input_tokens"], model["output_tokens"], model["cached_input_tokens"]]
    counts.append(usage["calls_without_usage"])
    for row in usage["models"]:
        counts += (row["calls"], row["input_tokens"], row["cached_input_tokens"], row["cache_creation_input_tokens"])
        counts += (row["output_tokens"], row["reasoning_tokens"])
    counts += [tool["invocations"] for tool in usage["tools"]]
    return max(counts)


def _bounded(values: Values) -> Values:
    """The event with every number within its column's bound."""
    metrics, usage = values["metrics"], values["usage"]
    latency_ms = metrics["latency_ms"]
    return {
        **values,
        "metrics": {**metrics, "latency_ms": latency_ms if latency_ms is None else min(latency_ms, MOST_LATENCY_MS)},
        "usage": {
            "model": _within(usage["model"]),
            "models": [_within(row) for row in usage["models"]],
            "tools": [_within(row) for row in usage["tools"]],
            "calls_without_usage": min(usage["calls_without_usage"], MOST_TOKENS),
        },
    }


def _within(row: Values) -> Values:
    return {
        name: min(value, _MOST_TIER if name == "input_tier" else MOST_TOKENS) if isinstance(value, int) else value
        for name, value in row.items()
    }


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
