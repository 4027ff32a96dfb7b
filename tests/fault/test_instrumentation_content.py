"""Content stays home: what users and models wrote is in no request, no file and no log line of the agent's side."""

import gzip
import logging
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import flightdeck.otel
from flightdeck.otel.instrumentation import by_hand, records
from flightdeck.otel.instrumentation.exporter import RunExporter
from flightdeck.otel.instrumentation.processor import RunProcessor
from flightdeck.otel.instrumentation.settings import AgentSettings
from flightdeck.otel.instrumentation.wire import http_wire
from tests.fault.endpoint import answering, endpoint

CANARY = "canary-9c41e0"
CONTENT = (
    # where each dialect puts what was said
    *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions"),
    *(
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.prompt.0.content",
        "gen_ai.completion.0.content",
    ),
    *("gen_ai.evaluation.explanation", "gen_ai.retrieval.query.text"),
    *(
        "input.value",
        "output.value",
        "llm.input_messages.0.message.content",
        "llm.prompts",
        "llm.invocation_parameters",
    ),
    *("llm.output_messages.0.message.content", "tool.parameters", "embedding.embeddings.0.embedding.text"),
    *("traceloop.entity.input", "traceloop.entity.output", "ai.prompt", "ai.prompt.messages", "ai.response.text"),
    *("ai.toolCall.args", "ai.toolCall.result", "langfuse.observation.input", "langfuse.observation.output"),
    *("langfuse.trace.input", "gen_ai.content.prompt", "gen_ai.content.completion", "all_messages_events"),
    *(
        "pydantic_ai.all_messages",
        "final_result",
        "tool_arguments",
        "tool_response",
        "http.request.body",
        "db.statement",
    ),
)


@pytest.fixture
def provider(monkeypatch):
    provider = TracerProvider(resource=Resource({"service.name": "support"}), shutdown_on_exit=False)
    monkeypatch.setattr(by_hand, "tracer", provider.get_tracer("flightdeck.otel"))
    monkeypatch.setattr(records, "tracer", provider.get_tracer("flightdeck.otel"))
    yield provider
    provider.shutdown()


def converse(provider) -> None:
    """A run whose every span holds the canary wherever content may stand, and that ends with an error quoting it."""
    tracer = provider.get_tracer("agent")
    content = {key: f"{CANARY} in {key}" for key in CONTENT}
    with flightdeck.otel.run(task_id="refund", tenant_id="acme"):
        usage = {"gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 1, "gen_ai.response.model": "gpt-4.1"}
        call = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", **usage}
        with tracer.start_as_current_span("chat", attributes=call | content) as span:
            span.add_event("gen_ai.user.message", content)
        with tracer.start_as_current_span("execute_tool", attributes={"gen_ai.tool.name": "look_up", **content}):
            pass
        raise LookupError(f"no order for {CANARY}")


def test_neither_the_wire_nor_the_spool_nor_the_log_holds_what_was_said(provider, tmp_path, caplog):
    bodies: list[bytes] = []

    with endpoint(answering(503)) as server, caplog.at_level(logging.DEBUG):
        settings = AgentSettings(release_id="rel_0123456789ab", url=server.url, spool_dir=str(tmp_path), shutdown_s=1)
        exporter = RunExporter(settings, wire=recorded(bodies))
        provider.add_span_processor(RunProcessor(exporter))
        with pytest.raises(LookupError):
            converse(provider)
        server.wait_for(lambda: server.posts > 0)  # refused: it is on disk since before that
        on_disk = b"".join(path.read_bytes() for path in Path(tmp_path).rglob("*") if path.is_file())
        assert b'"task_id":"refund"' in on_disk
        server.fault = None
        assert exporter.force_flush(10_000)
        assert server.tasks == ["refund"]
        provider.shutdown()
    assert any(b'"LookupError"' in body for body in bodies)
    assert CANARY.encode() not in on_disk
    assert all(CANARY.encode() not in body for body in bodies)
    assert CANARY not in caplog.text


def recorded(bodies: list[bytes]):
    """The real wire; what went over it is kept, readable."""

    def wire(method, url, *, body, headers, timeout_s):
        if body:
            bodies.append(gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body)
        return http_wire(method, url, body=body, headers=headers, timeout_s=timeout_s)

    return wire


def test_traces_that_wait_for_their_release_hold_no_content_either(provider, tmp_path):
    with endpoint(answering(503)) as server:
        server.fault_in_gets = True
        settings = AgentSettings(url=server.url, spool_dir=str(tmp_path), shutdown_s=1)
        exporter = RunExporter(settings)
        provider.add_span_processor(RunProcessor(exporter))
        with pytest.raises(LookupError):
            converse(provider)
        provider.shutdown()
    (kept,) = tmp_path.rglob("runs.db")
    assert b"refund" in kept.read_bytes()
    assert CANARY.encode() not in kept.read_bytes()
