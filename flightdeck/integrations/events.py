"""The RunEvent of a finished run, from what a response tells and what only the caller knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TypedDict

from flightdeck.integrations.calls import Call
from flightdeck.models import RunEvent, RunEventMetrics, RunEventRequest, RunEventUsage
from flightdeck.otel.calls import summed
from flightdeck.otel.runs import usage_on_the_wire


class _Identity(TypedDict):
    """Who ran, for whom."""

    # A class of its own: where annotations are postponed, those within one can't say which keys are required.

    agent_id: str
    release_id: str
    run_id: str
    tenant_id: str
    task_id: str
    environment: str


class RunFacts(_Identity, total=False):
    """What a response can't tell about its run, as keyword arguments: who ran, for whom, and how it went.

    ``latency_ms`` is wall time in milliseconds; ``error_type`` belongs to a run without ``success``. Without a
    ``timestamp`` the run ended now.
    """

    labels: dict[str, str] | None
    trace_id: str | None
    session_id: str | None
    span_id: str | None
    latency_ms: int | None
    success: bool
    error_type: str | None
    timestamp: datetime | None
    workspace_id: str


_NAMES = RunFacts.__required_keys__ | RunFacts.__optional_keys__


def finished_run(facts: RunFacts, usage: RunEventUsage) -> RunEvent:
    """The ``run_end`` of a run that used so much.

    Raises:
        TypeError: a fact is missing, or there is no such fact.
        pydantic.ValidationError: a value is none that an event can hold.
    """
    if missing := RunFacts.__required_keys__ - facts.keys():
        raise TypeError(f"missing keyword arguments: {', '.join(sorted(missing))}")
    if unknown := facts.keys() - _NAMES:
        raise TypeError(f"unexpected keyword arguments: {', '.join(sorted(unknown))}")
    ids = RunEventRequest(
        session_id=facts.get("session_id"), trace_id=facts.get("trace_id"), span_id=facts.get("span_id")
    )
    return RunEvent(
        type="run_end",
        timestamp=facts.get("timestamp") or datetime.now(UTC),
        workspace_id=facts.get("workspace_id", "ws_local"),
        agent_id=facts["agent_id"],
        release_id=facts["release_id"],
        run_id=facts["run_id"],
        tenant_id=facts["tenant_id"],
        task_id=facts["task_id"],
        environment=facts["environment"],
        request=ids if ids != RunEventRequest() else None,
        metrics=RunEventMetrics(
            latency_ms=facts.get("latency_ms"), success=facts.get("success", True), error_type=facts.get("error_type")
        ),
        usage=usage,
        labels=facts.get("labels") or {},
    )


def run_of_calls(
    calls: Sequence[Call],
    integration: str,
    facts: RunFacts,
    *,
    tools: Mapping[str, int] | None = None,
    without_usage: int = 0,
) -> RunEvent:
    """The run that made these calls; ``integration`` becomes a label, which the run's own labels may replace.

    ``without_usage`` counts the calls that reported no tokens. With no others, provider and model are empty: such a run
    is unpriced, not free.
    """
    labelled = facts.copy()
    labelled["labels"] = {"integration": integration} | (facts.get("labels") or {})
    return finished_run(labelled, usage_on_the_wire(summed(calls), sorted((tools or {}).items()), without_usage))
