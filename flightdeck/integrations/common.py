"""What every integration shares: the RunEvent of a finished run from its totals, and labels."""

from __future__ import annotations

from datetime import datetime

from flightdeck.integrations.events import RunFacts, finished_run
from flightdeck.models import RunEvent, RunEventModelUsage, RunEventUsage


def make_run_end_event(
    *,
    agent_id: str,
    release_id: str,
    run_id: str,
    tenant_id: str,
    task_id: str,
    environment: str,
    provider: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
    cached_input_tokens: int = 0,
    latency_ms: int | None = None,
    success: bool = True,
    error_type: str | None = None,
    trace_id: str | None = None,
    session_id: str | None = None,
    span_id: str | None = None,
    labels: dict[str, str] | None = None,
    timestamp: datetime | None = None,
    workspace_id: str = "ws_local",
) -> RunEvent:
    """The ``run_end`` of a run with these tokens.

    ``input_tokens`` includes the cached ones. Negative tokens count as 0. ``latency_ms`` is wall time in milliseconds;
    without a ``timestamp`` the run ended now.

    Raises:
        pydantic.ValidationError: a value is none that an event can hold.
    """
    facts = RunFacts(
        agent_id=agent_id,
        release_id=release_id,
        run_id=run_id,
        tenant_id=tenant_id,
        task_id=task_id,
        environment=environment,
        labels=labels,
        trace_id=trace_id,
        session_id=session_id,
        span_id=span_id,
        latency_ms=latency_ms,
        success=success,
        error_type=error_type,
        timestamp=timestamp,
        workspace_id=workspace_id,
    )
    totals = RunEventModelUsage(
        provider=provider,
        model=model,
        input_tokens=max(0, int(input_tokens)),
        output_tokens=max(0, int(output_tokens)),
        cached_input_tokens=max(0, int(cached_input_tokens)),
    )
    return finished_run(facts, RunEventUsage(model=totals))


def temporal_labels(*, workflow_id: str, workflow_run_id: str | None = None) -> dict[str, str]:
    """Labels that lead from a run to the Temporal workflow it belongs to."""
    labels = {"temporal.workflow_id": workflow_id}
    if workflow_run_id:
        labels["temporal.run_id"] = workflow_run_id
    return labels
