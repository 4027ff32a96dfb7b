"""What happened inside a run, said by the program: model calls, tool calls, scores. Standard GenAI conventions."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from opentelemetry import context, propagate, trace
from opentelemetry._logs import SeverityNumber, get_logger_provider

from flightdeck.otel.instrumentation.by_hand import tracer
from flightdeck.otel.instrumentation.live import at_work
from flightdeck.otel.instrumentation.texts import sayable
from flightdeck.otel.instrumentation.throttled import guarded, own_log

EVALUATION_RESULT = "gen_ai.evaluation.result"
NAME, VALUE, LABEL = (f"gen_ai.evaluation.{key}" for key in ("name", "score.value", "score.label"))
_RUN_ID = re.compile(r"(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})")


@guarded
def record_llm_call(
    *,
    provider: str,
    model: str,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cached_input_tokens: int | None = None,
    cache_creation_input_tokens: int | None = None,
    reasoning_output_tokens: int | None = None,
    duration_s: float = 0.0,
    request_model: str = "",
    response_id: str = "",
    operation: Literal["chat", "text_completion", "generate_content", "embeddings"] = "chat",
    error_type: str = "",
) -> None:
    """Records a model call that has just ended, as a span of the current run.

    Do not record calls that an instrumentation records already: they would count twice.

    Args:
        provider: ``openai``, ``anthropic``, …: the conventions' ``gen_ai.provider.name``.
        model: the model as the answer names it; prices go by it.
        input_tokens: all of them, cached ones and those written to a cache included.
        output_tokens: all of them, reasoning included.
        cached_input_tokens: of the input, those read from a cache.
        cache_creation_input_tokens: of the input, those written to a cache.
        reasoning_output_tokens: of the output, those the model thought with.
        duration_s: how long it took, in seconds.
        request_model: the model that was asked for, where that differs.
        response_id: the provider's id of the answer; it keeps a call that two layers report from counting twice.
        operation: what sort of call.
        error_type: why it failed, as a short name; empty if it did not.
    """
    attributes: dict[str, str | int | None] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": request_model or model,
        "gen_ai.response.model": model,
        "gen_ai.response.id": response_id or None,
        "gen_ai.usage.input_tokens": input_tokens,
        "gen_ai.usage.output_tokens": output_tokens,
        "gen_ai.usage.cache_read.input_tokens": cached_input_tokens,
        "gen_ai.usage.cache_creation.input_tokens": cache_creation_input_tokens,
        "gen_ai.usage.reasoning.output_tokens": reasoning_output_tokens,
    }
    _span(f"{operation} {model}", trace.SpanKind.CLIENT, attributes, duration_s, error_type)


@guarded
def record_tool_call(name: str, *, duration_s: float = 0.0, call_id: str = "", error_type: str = "") -> None:
    """Records a tool call that has just ended, as a span of the current run. Arguments and results stay out of it.

    Args:
        name: the tool.
        duration_s: how long it took, in seconds.
        call_id: the model's id of the call.
        error_type: why it failed, as a short name; empty if it did not.
    """
    attributes: dict[str, str | int | None] = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.call.id": call_id or None,
    }
    _span(f"execute_tool {name}", trace.SpanKind.INTERNAL, attributes, duration_s, error_type)


@guarded
def score(name: str, value: float | None = None, *, label: str = "", run_id: str = "", response_id: str = "") -> None:
    """Says how good a run was: a number, a label, or both, as the conventions' ``gen_ai.evaluation.result``.

    Scores travel over OTLP (logs). Where runs are posted instead of spans, those said inside a run go out with it, and
    later ones follow it to the same server, unless ``OTEL_LOGS_EXPORTER`` says otherwise; what no exporter takes, or
    says neither a finite number nor a label, is dropped, counted (``scores_dropped``) and logged.

    Args:
        name: what was judged, like ``helpfulness``; scores of one name are compared.
        value: the number; any finite one.
        label: the verdict in a word, like ``pass``.
        run_id: the run's id as ``Run.run_id`` gave it, for verdicts that come later; else the current run.
        response_id: instead of a run, the provider's id of the answer that was judged.
    """
    where = context.get_current()
    current = trace.get_current_span(where)
    if run_id:
        found = _RUN_ID.fullmatch(run_id)
        if found is None:
            own_log.warn(f"score {name!r} dropped: {run_id!r} is no run id made by FlightDeck; score inside the run")
            return
        judged = trace.SpanContext(
            int(found["trace"], 16), int(found["span"], 16), is_remote=True, trace_flags=trace.TraceFlags(1)
        )
        inside = judged.span_id == current.get_span_context().span_id
        where = trace.set_span_in_context(trace.NonRecordingSpan(judged), where)
    elif not response_id and not current.get_span_context().is_valid:
        own_log.warn(f"score {name!r} dropped: it is outside of any run; give run_id")
        return
    else:
        inside = not response_id
    attributes: dict[str, str | float] = {NAME: sayable(name)}
    if value is not None and math.isfinite(value):
        attributes[VALUE] = float(value)
    if label:
        attributes[LABEL] = sayable(label)
    if not {VALUE, LABEL} & attributes.keys():
        _dropped(name, "it has neither a finite number nor a label")
        return
    if response_id:
        attributes["gen_ai.response.id"] = sayable(response_id)
    posted = inside and current.is_recording() and bool(at_work())
    if posted:
        current.add_event(EVALUATION_RESULT, attributes)
    if not _logged(attributes, where) and not posted and not _followed(attributes, where):
        _dropped(name, "no exporter for OTLP logs is set up")


def _dropped(name: str, why: str) -> None:
    for exporter in at_work():
        exporter.counters.scores_dropped += 1
    own_log.warn(f"score {name!r} dropped: {why}")


def _followed(attributes: Mapping[str, str | float], where: context.Context) -> bool:
    """Sends a score after its run, which was posted before; false where scores may not follow so."""
    if not at_work():
        return False
    from flightdeck.otel.instrumentation.later import follow  # noqa: PLC0415 - it needs the SDK

    return bool(follow()) and _logged(attributes, where)


def _logged(attributes: Mapping[str, str | float], where: context.Context) -> bool:
    """Emits a score as a log record; false if nobody would export it."""
    provider = get_logger_provider()
    records = provider.get_logger("flightdeck.otel")
    if hasattr(records, "enabled"):
        exported = records.enabled(context=where, event_name=EVALUATION_RESULT)
    else:  # the oldest SDK that we take
        several = getattr(provider, "_multi_log_record_processor", None)
        exported = bool(getattr(several, "_log_record_processors", ()))
    if not exported:
        return False
    records.emit(
        timestamp=time.time_ns(),
        context=where,
        severity_number=SeverityNumber.INFO,
        attributes=attributes,
        event_name=EVALUATION_RESULT,
    )
    return True


def carrier() -> dict[str, str]:
    """The current run's trace and identity as headers, for a message, a queue or (in capitals) an environment."""
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


@contextmanager
def continued(headers: Mapping[str, str]) -> Iterator[None]:
    """Goes on with what ``carrier`` gave in another process: runs inside know their trace, tenant, task and session.

    ``headers`` may be a whole environment: names are taken in any case.
    """
    found = propagate.extract({name.lower(): value for name, value in headers.items()})
    token = context.attach(found)
    try:
        yield
    finally:
        context.detach(token)


def _span(
    name: str, kind: trace.SpanKind, attributes: Mapping[str, str | int | None], duration_s: float, error_type: str
) -> None:
    ended = time.time_ns()
    said = {key: value for key, value in attributes.items() if value is not None}
    span = tracer.start_span(
        sayable(name),
        kind=kind,
        attributes={key: sayable(value) if isinstance(value, str) else value for key, value in said.items()},
        start_time=ended - int(max(0.0, duration_s) * 1e9),
    )
    if error_type:
        span.set_attribute("error.type", sayable(error_type))
        span.set_status(trace.StatusCode.ERROR)
    span.end(ended)
