"""`flightdeck.integrations`: the names of 1.3, on what they always took, and light."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from dirty_equals import IsNow

from flightdeck import integrations
from flightdeck.integrations.anthropic_messages import (
    run_event_from_anthropic_message,
    token_totals_from_anthropic_message,
)
from flightdeck.integrations.crewai_bridge import run_event_from_crew_token_totals
from flightdeck.integrations.openai_agents import (
    run_event_from_openai_agents_result,
    token_totals_from_openai_agents_result,
)
from flightdeck.integrations.openai_chat import (
    run_event_from_openai_chat_completion,
    token_totals_from_openai_chat_completion,
)

IDS = {
    "agent_id": "support",
    "release_id": "rel_0123456789ab",
    "run_id": "run-1",
    "tenant_id": "acme",
    "task_id": "ask",
    "environment": "prod",
}
NOT_IMPORTED = ("openai", "anthropic", "agents", "langchain_core", "crewai", "opentelemetry.sdk", "clickhouse_connect")


@pytest.mark.parametrize(
    "module",
    [
        "anthropic_messages",
        "common",
        "crewai_bridge",
        "langchain_callback",
        "openai_agents",
        "openai_chat",
        "telemetry",
    ],
)
def test_an_integration_imports_no_vendor_s_library(module):
    code = f"import sys, flightdeck.integrations.{module}; print(sorted(set({NOT_IMPORTED!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.contract("C5.01")
def test_an_event_of_totals_is_1_3s():
    event = integrations.make_run_end_event(
        **IDS, provider="openai", model="gpt-4.1", input_tokens=-3, output_tokens=4, cached_input_tokens=0
    )
    told = event.model_dump(mode="python")
    assert told["timestamp"] == IsNow(tz=UTC)
    assert {key: told[key] for key in IDS} == IDS
    assert (told["type"], told["workspace_id"], told["request"], told["labels"]) == ("run_end", "ws_local", None, {})
    assert told["usage"]["model"] == {
        "provider": "openai",
        "model": "gpt-4.1",
        "input_tokens": 0,
        "output_tokens": 4,
        "cached_input_tokens": 0,
    }
    assert told["metrics"] == {"latency_ms": None, "success": True, "error_type": None}


@pytest.mark.contract("C5.01")
def test_an_event_says_all_it_is_told():
    moment = datetime(2026, 11, 24, 12, tzinfo=UTC)
    event = integrations.make_run_end_event(
        **IDS,
        provider="p",
        model="m",
        input_tokens=1,
        output_tokens=2,
        cached_input_tokens=1,
        latency_ms=7,
        success=False,
        error_type="Timeout",
        trace_id="t",
        session_id="s",
        span_id="sp",
        labels={"team": "a"},
        timestamp=moment,
        workspace_id="ws",
    )
    assert (event.timestamp, event.workspace_id, event.labels) == (moment, "ws", {"team": "a"})
    assert event.request.model_dump() == {"session_id": "s", "trace_id": "t", "span_id": "sp"}
    assert event.metrics.model_dump() == {"latency_ms": 7, "success": False, "error_type": "Timeout"}


@pytest.mark.contract("C5.01")
def test_labels_of_a_workflow():
    assert integrations.temporal_labels(workflow_id="w") == {"temporal.workflow_id": "w"}
    assert integrations.temporal_labels(workflow_id="w", workflow_run_id="r") == {
        "temporal.workflow_id": "w",
        "temporal.run_id": "r",
    }


@pytest.mark.contract("C5.02")
def test_a_crew_s_totals():
    event = run_event_from_crew_token_totals(
        **IDS, provider="openai", model="m", input_tokens=9, output_tokens=4, cached_input_tokens=2, crew_name="desk"
    )
    assert event.labels == {"integration": "crewai", "crew.name": "desk"}
    assert (event.usage.model.input_tokens, event.usage.model.cached_input_tokens) == (9, 2)
    plain = run_event_from_crew_token_totals(**IDS, provider="openai", model="m", input_tokens=9, output_tokens=4)
    assert plain.labels == {"integration": "crewai"}


@pytest.mark.parametrize(
    "totals",
    [
        token_totals_from_openai_chat_completion,
        token_totals_from_anthropic_message,
        token_totals_from_openai_agents_result,
    ],
)
@pytest.mark.parametrize("nothing", [None, {}, object(), {"usage": None, "model": None}])
def test_what_tells_nothing_has_no_tokens_and_an_unknown_model(totals, nothing):
    assert totals(nothing) == (0, 0, 0, "unknown")


@pytest.mark.parametrize(
    ("make", "label"),
    [
        (run_event_from_openai_chat_completion, "openai_chat"),
        (run_event_from_anthropic_message, "anthropic_messages"),
        (run_event_from_openai_agents_result, "openai_agents"),
    ],
)
def test_unknown_tokens_are_counted_as_such_and_not_as_free(make, label):
    event = make({"model": "gpt-4.1"}, **IDS, labels={"team": "a"})
    assert event.labels == {"integration": label, "team": "a"}
    assert (event.usage.models, event.usage.calls_without_usage) == ([], 1)


def test_a_mistaken_fact_is_an_error_that_names_it():
    with pytest.raises(TypeError, match="missing keyword arguments: run_id"):
        run_event_from_openai_chat_completion({}, **{key: value for key, value in IDS.items() if key != "run_id"})
    with pytest.raises(TypeError, match="unexpected keyword arguments: latency"):
        run_event_from_openai_chat_completion({}, **IDS, latency=3)


class Own:
    """An object of the caller's, as 1.3's documentation shows one."""


@pytest.mark.parametrize("name", ["usage", "token_usage", "metrics"])
def test_a_dict_on_a_result_or_its_context_counts_as_it_did(name):
    result, within = Own(), Own()
    setattr(result, name, {"input_tokens": 3, "output_tokens": 4, "cached_input_tokens": 1, "model": "m"})
    within.context = Own()
    setattr(within.context, name, {"prompt_tokens": 3, "completion_tokens": 4, "cached_tokens": 1})
    assert token_totals_from_openai_agents_result(result) == (3, 4, 1, "m")
    assert token_totals_from_openai_agents_result(within) == (3, 4, 1, "unknown")


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.contract("C5.03")
def test_tracing_is_set_up_once(own):
    code = f"""
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from flightdeck.integrations.telemetry import configure_otel_tracing
mine = TracerProvider()
if {own}: trace.set_tracer_provider(mine)
print(configure_otel_tracing(), configure_otel_tracing(), configure_otel_tracing(force=True))
provider = trace.get_tracer_provider()
exporters = [each.span_exporter for each in provider._active_span_processor._span_processors]
print(provider is mine, [exporter._endpoint for exporter in exporters])
print(provider.resource.attributes["service.name"])
"""
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "True False True",
        f"{own} ['http://127.0.0.1:9/v1/traces']",
        "unknown_service:python" if own else "flightdeck-python",
    ]
