"""``assemble(spans of one trace) -> runs``: the tree rules, once, as a pure function.

No store, no clock, no framework: the server calls it on stored spans, the agent's exporter on its own. What comes out
is a function of the set of spans alone: their order, repetition and division over exports do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import attrgetter

from flightdeck.models import (
    RunEvent,
    RunEventMetrics,
    RunEventModelRow,
    RunEventModelUsage,
    RunEventRequest,
    RunEventToolUsage,
    RunEventUsage,
    RunKind,
)
from flightdeck.otel.calls import ModelUsage, Usage, usages
from flightdeck.otel.identity import SESSION, TENANT, Affiliation, LookUp, Releases, affiliation
from flightdeck.otel.kinds import ACTORS, CALLS, GENERATIVE, Kind
from flightdeck.otel.outcome import error_type, tools
from flightdeck.otel.parts import Part, collapsed, divided, members, run_spans
from flightdeck.otel.spans import Span, timestamp_us

__all__ = [
    "Assembly",
    "Finding",
    "FindingKind",
    "ModelUsage",
    "Options",
    "Releases",
    "Run",
    "assemble",
    "main_model",
    "run_event",
]

LONGEST_LATENCY_MS = 7 * 24 * 3_600_000
"""A longer run has no latency: its clock is not believed."""
_CHAIN = Kind.CHAIN.value
_by_id = attrgetter("run_id")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may set: the environment of spans that name none, and the bounds of a part and of a run."""

    default_environment: str = "local"
    most_spans: int = 10_000
    most_models: int = 64
    most_tools: int = 256


@dataclass(slots=True)
class Run:
    """One finished run.

    ``timestamp_us`` is Unix time. ``session_id``, ``latency_ms`` and ``error_type`` alone may be None, the last
    exactly when the run succeeded. ``models`` is sorted by provider, model and tier, ``tools`` (name, invocations) by
    name. ``bad_time``: the timestamp is the landing time. ``cached_exceeds_input``: an emitter counted cached tokens
    apart. ``truncated``: spans beyond the bound were left out.
    """

    run_id: str
    trace_id: str
    span_id: str
    run_kind: RunKind
    release_id: str
    agent_id: str
    environment: str
    tenant_id: str
    task_id: str
    session_id: str | None
    timestamp_us: int
    latency_ms: int | None
    success: bool
    error_type: str | None
    models: list[ModelUsage]
    tools: list[tuple[str, int]]
    calls_without_usage: int
    bad_time: bool
    cached_exceeds_input: bool
    truncated: bool


class FindingKind(StrEnum):
    """Why there is no run where one could be."""

    INCOMPLETE = "incomplete"
    """Spans whose parent should be stored and is not: in progress, or lost."""
    AGENT_MISMATCH = "agent_mismatch"
    """The run names another agent than its release: refused."""
    UNASSIGNED = "unassigned"
    """No release can be named."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a trace that is counted, but is no run.

    ``id`` is the would-be run's id; of an incomplete one ``<trace id>-<id of the missing parent>``.
    """

    kind: FindingKind
    id: str
    release_id: str
    agent_id: str
    environment: str
    service_name: str
    service_version: str
    timestamp_us: int


@dataclass(slots=True)
class Assembly:
    """What the spans of one trace come to; runs and findings are sorted by id.

    ``closed``: in every part that could hold runs, each span's parent is absent, remote, in another part, or stored;
    settling would change nothing. ``distinct_spans`` counts spans, whatever their versions.
    """

    runs: list[Run] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    closed: bool = True
    distinct_spans: int = 0


def assemble(spans: Sequence[Span], releases: Releases, options: Options, *, settled: bool) -> Assembly:
    """The runs of one trace in one workspace, given all its spans.

    A part of the trace that is not closed yields no runs unless ``settled``; it yields its incomplete findings either
    way.
    """
    stored = collapsed(spans)
    result = Assembly(distinct_spans=len(stored))
    for part in divided(stored, options.most_spans):
        if GENERATIVE.isdisjoint(part.kinds):
            continue
        if not part.closed:
            result.closed = False
            result.findings += _incomplete(part, releases, options)
            if not settled:
                continue
        _add_runs(part, releases, options, result)
    if len(result.runs) > 1:
        _tell_apart(result.runs, stored)
        result.runs.sort(key=_by_id)
    if len(result.findings) > 1:
        result.findings = _distinct(result.findings)
    return result


def _add_runs(part: Part, releases: Releases, options: Options, result: Assembly) -> None:
    found = run_spans(part)
    if not found:
        return
    owner, held = members(part, found)
    used = usages(part, owner, len(found), options.most_models)
    called = tools(part, owner, len(found), options.most_tools)
    tenant, session = LookUp(part, TENANT), LookUp(part, SESSION)
    for number, place in enumerate(found):
        span = part.spans[place]
        whose = affiliation(span, releases)
        if whose.mismatch or not whose.release_id:
            kind = FindingKind.AGENT_MISMATCH if whose.mismatch else FindingKind.UNASSIGNED
            result.findings.append(_finding(kind, _run_id(span), span, whose, options))
            continue
        mine = held[number]
        result.runs.append(
            _run(
                part,
                place,
                mine,
                whose,
                used[number],
                called[number],
                tenant_id=tenant.value(place, mine) or "default",
                session_id=session.value(place, mine) or None,
                environment=span.environment or options.default_environment,
            )
        )


def _run(
    part: Part,
    place: int,
    mine: Sequence[int],
    whose: Affiliation,
    usage: Usage,
    called: list[tuple[str, int]],
    *,
    tenant_id: str,
    session_id: str | None,
    environment: str,
) -> Run:
    span = part.spans[place]
    members_of_run = part.spans if len(mine) == len(part.spans) else [part.spans[member] for member in mine]
    failure = error_type(span, members_of_run)
    moment, bad_time = timestamp_us(span)
    return Run(
        run_id=_run_id(span),
        trace_id=span.trace_id,
        span_id=span.span_id,
        run_kind=_run_kind(part.kinds, place, mine),
        release_id=whose.release_id,
        agent_id=whose.agent_id,
        environment=environment,
        tenant_id=tenant_id,
        task_id=span.task or "default",
        session_id=session_id,
        timestamp_us=moment,
        latency_ms=_latency_ms(span),
        success=failure is None,
        error_type=failure,
        models=usage.models,
        tools=called,
        calls_without_usage=usage.calls_without_usage,
        bad_time=bad_time,
        cached_exceeds_input=usage.cached_exceeds_input,
        truncated=part.truncated,
    )


def _run_id(span: Span) -> str:
    return span.run_id or f"{span.trace_id}-{span.span_id}"


def _run_kind(kinds: Sequence[str], place: int, mine: Iterable[int]) -> RunKind:
    if kinds[place] in ACTORS or any(kinds[member] in ACTORS for member in mine):
        return "agent"
    if kinds[place] in CALLS:
        return "llm_call"
    return "chain" if kinds[place] == _CHAIN else "request"


def _latency_ms(span: Span) -> int | None:
    """Whole milliseconds, half up; None without a usable start and end."""
    if not 0 < span.start_ns <= span.end_ns:
        return None
    latency = (span.end_ns - span.start_ns + 500_000) // 1_000_000
    return latency if latency <= LONGEST_LATENCY_MS else None


def _tell_apart(runs: list[Run], stored: dict[str, Span]) -> None:
    """Of runs of one trace that claim the same id the first keeps it; the others get the id of their span.

    A processor that copies baggage puts one ``flightdeck.run_id`` on every span, remote agents' included; one run must
    not replace another.
    """
    claimed: set[str] = set()
    for run in sorted(runs, key=lambda run: (stored[run.span_id].start_ns, run.span_id)):
        if run.run_id in claimed:
            run.run_id = f"{run.trace_id}-{run.span_id}"
        claimed.add(run.run_id)


def _distinct(findings: list[Finding]) -> list[Finding]:
    """One finding for each kind and id (two parts may miss one parent), in order."""
    by_key = {(finding.id, finding.kind): finding for finding in sorted(findings, key=repr)}
    return [by_key[key] for key in sorted(by_key)]


def _incomplete(part: Part, releases: Releases, options: Options) -> list[Finding]:
    """One finding per missing parent, with the identity of its first child."""
    first_child: dict[str, Span] = {}
    for span in part.orphans:
        first_child.setdefault(span.parent_id, span)
    return [
        _finding(FindingKind.INCOMPLETE, f"{span.trace_id}-{parent_id}", span, affiliation(span, releases), options)
        for parent_id, span in first_child.items()
    ]


def _finding(kind: FindingKind, id_: str, span: Span, whose: Affiliation, options: Options) -> Finding:
    return Finding(
        kind=kind,
        id=id_,
        release_id=whose.release_id,
        agent_id=whose.agent_id,
        environment=span.environment or options.default_environment,
        service_name=span.service_name,
        service_version=span.service_version,
        timestamp_us=timestamp_us(span)[0],
    )


def main_model(models: Sequence[ModelUsage]) -> tuple[str, str]:
    """Provider and model with most output tokens over all tiers, of equal ones the first; empty texts without any."""
    output: dict[tuple[str, str], int] = {}
    for row in models:
        key = (row.provider, row.model)
        output[key] = output.get(key, 0) + row.output
    return max(output, key=output.__getitem__, default=("", ""))


def usage_on_the_wire(
    models: Sequence[ModelUsage], tools: Iterable[tuple[str, int]], calls_without_usage: int
) -> RunEventUsage:
    """What a run used, from its sums (sorted by provider, model and tier) and its tools with their invocations."""
    provider, model = main_model(models)
    return RunEventUsage(
        model=RunEventModelUsage(
            provider=provider,
            model=model,
            input_tokens=sum(row.input for row in models),
            output_tokens=sum(row.output for row in models),
            cached_input_tokens=sum(row.cached for row in models),
        ),
        tools=[RunEventToolUsage(tool_name=name, invocations=count) for name, count in tools],
        models=[
            RunEventModelRow(
                provider=row.provider,
                model=row.model,
                input_tier=row.input_tier,
                calls=row.calls,
                input_tokens=row.input,
                cached_input_tokens=row.cached,
                cache_creation_input_tokens=row.creation,
                output_tokens=row.output,
                reasoning_tokens=row.reasoning,
            )
            for row in models
        ],
        calls_without_usage=calls_without_usage,
    )


def run_event(run: Run) -> RunEvent:
    """A run as the RunEvent on the wire."""
    return RunEvent(
        timestamp=_EPOCH + timedelta(microseconds=run.timestamp_us),
        agent_id=run.agent_id,
        release_id=run.release_id,
        run_id=run.run_id,
        tenant_id=run.tenant_id,
        task_id=run.task_id,
        environment=run.environment,
        request=RunEventRequest(session_id=run.session_id, trace_id=run.trace_id, span_id=run.span_id),
        metrics=RunEventMetrics(latency_ms=run.latency_ms, success=run.success, error_type=run.error_type),
        usage=usage_on_the_wire(run.models, run.tools, run.calls_without_usage),
        run_kind=run.run_kind,
        source="otlp",
    )
