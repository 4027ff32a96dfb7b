"""RunEvents read into plain dicts say what the models say."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from flightdeck.models import RunEvent
from flightdeck.models.plain import reader
from flightdeck.store.eventrows import EventRow, row_of, row_of_values

names = st.sampled_from(["", "a", "b", "openai", "gpt-4.1", "ä", "0" * 32])
counts = st.one_of(st.integers(0, 5_000), st.just(10**15 + 1), st.just(10**30), st.just("12"), st.just(7.0))
some_ids = st.fixed_dictionaries({}, optional=dict.fromkeys(("session_id", "trace_id", "span_id"), names))
model_rows = st.fixed_dictionaries(
    {"provider": names, "model": names},
    optional=dict.fromkeys(
        (
            *("input_tier", "calls", "input_tokens", "cached_input_tokens", "cache_creation_input_tokens"),
            *("output_tokens", "reasoning_tokens"),
        ),
        counts,
    ),
)
tools = st.fixed_dictionaries(
    {"tool_name": names}, optional={"invocations": counts, "cost_units": st.floats(min_value=0)}
)
usages = st.fixed_dictionaries(
    {
        "model": st.fixed_dictionaries(
            {"provider": names, "model": names, "input_tokens": counts, "output_tokens": counts},
            optional={"cached_input_tokens": counts},
        )
    },
    optional={
        "models": st.lists(model_rows, max_size=3),
        "tools": st.lists(tools, max_size=3),
        "calls_without_usage": counts,
    },
)
scores = st.fixed_dictionaries(
    {"name": names}, optional={"value": st.one_of(st.none(), st.floats()), "label": st.one_of(st.none(), names)}
)
events = st.fixed_dictionaries(
    {
        "timestamp": st.datetimes().map(datetime.isoformat),
        "usage": usages,
        **dict.fromkeys(("agent_id", "release_id", "run_id", "tenant_id", "task_id", "environment"), names),
    },
    optional={
        "type": st.sampled_from(["run_start", "run_end"]),
        "workspace_id": names,
        "request": st.one_of(st.none(), some_ids),
        "metrics": st.fixed_dictionaries(
            {}, optional={"latency_ms": counts, "success": st.booleans(), "error_type": names}
        ),
        "labels": st.dictionaries(names, names, max_size=3),
        "run_kind": st.sampled_from(["agent", "chain", "request", "llm_call"]),
        "source": st.sampled_from(["native", "otlp"]),
        "scores": st.lists(scores, max_size=3),
        "unknown": names,
    },
)
read = reader(RunEvent).validate_json


@given(events)
def test_an_event_has_one_row_whichever_way_it_was_read(event: dict[str, Any]) -> None:
    """Also where the rules on the rows of ``models`` are the model's own code, which dicts don't run."""
    body = json.dumps(event)
    assert row_of_values(read(body)) == row_of(RunEvent.model_validate_json(body))


@given(events, st.data())
def test_what_the_model_refuses_is_refused(event: dict[str, Any], data: st.DataObject) -> None:
    spoilt = data.draw(st.sampled_from(["usage", "agent_id", "run_id", "type", "labels"]))
    body = json.dumps({**event, spoilt: data.draw(st.sampled_from([None, -1, ["x"]]))})
    for way in (RunEvent.model_validate_json, read):
        with pytest.raises(ValidationError):
            way(body)


def test_what_a_repetition_is_known_by_stays_the_same() -> None:
    """Stores hold it of every event: another hash for the same event has its repetitions counted as conflicts."""
    event = {
        "timestamp": "2026-11-24T12:00:00.5Z",
        **{name: name for name in ("agent_id", "release_id", "run_id", "tenant_id", "task_id", "environment")},
        "request": {"session_id": "s", "trace_id": "t"},
        "metrics": {"latency_ms": 12, "success": False, "error_type": "E"},
        "usage": {
            "model": {"provider": "openai", "model": "gpt-4.1", "input_tokens": 100, "output_tokens": 10},
            "tools": [{"tool_name": "search", "invocations": 2, "cost_units": 0.5}],
        },
        "labels": {"b": "2", "a": "1"},
    }
    assert _row(event).content.hex() == "d3b544c9f109c0f62ed3f98354e1226a"
    assert _row({**event, "metrics": {"latency_ms": 10**13}}).content.hex() == "43dea55d7deb8dc7ff127b36908b5fa5"


def _row(event: dict[str, Any]) -> EventRow:
    return row_of_values(read(json.dumps(event)))


class _Leaf(BaseModel):
    name: str


class _Inner(BaseModel):
    leaf: _Leaf = Field(default_factory=lambda: _Leaf(name="x"))


class _Outer(BaseModel):
    inner: _Inner = Field(default_factory=_Inner)


def test_defaults_are_dicts_too() -> None:
    assert reader(_Outer).validate_json("{}") == {"inner": {"leaf": {"name": "x"}}}
