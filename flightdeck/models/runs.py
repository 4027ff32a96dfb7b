"""Runs on the wire: RunEvent and its parts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from flightdeck.models.fields import Count, Moment

RunKind = Literal["agent", "chain", "request", "llm_call"]
"""What a run's own span is: an agent's execution, a chain, a request, or a bare model call."""


class RunEventRequest(BaseModel):
    """Ids that lead from a run to the user's own systems."""

    session_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None


class RunEventMetrics(BaseModel):
    """How a run went. ``latency_ms`` is wall time in milliseconds; ``error_type`` is set when it failed."""

    latency_ms: Count | None = None
    success: bool = True
    error_type: str | None = None


class RunEventModelUsage(BaseModel):
    """Tokens of the whole run, under the model that wrote most of its output.

    ``input_tokens`` includes the cached ones (an emitter that counts them apart shows more cached than input).
    """

    provider: str
    model: str
    input_tokens: Count
    output_tokens: Count
    cached_input_tokens: Count = 0


INPUT_TIERS = (128_000, 200_000, 272_000, 512_000)
"""The input thresholds of genai-prices, in tokens of one call; a call's tier is how many of them it exceeds."""


class RunEventModelRow(BaseModel):
    """Tokens of one model within a run: sums over its calls of one price tier.

    Input includes cached and cache-creation tokens, output includes reasoning. ``input_tier`` is the number of input
    thresholds (128k, 200k, 272k, 512k tokens in one call) these calls exceed; it is absent when 0.
    """

    provider: str
    model: str
    input_tier: Count | None = Field(default=None, exclude_if=lambda tier: not tier)
    calls: Count = 1
    input_tokens: Count = 0
    cached_input_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    output_tokens: Count = 0
    reasoning_tokens: Count = 0


class RunEventToolUsage(BaseModel):
    """How often a run called a tool."""

    tool_name: str
    invocations: Count = 0
    cost_units: Annotated[float, Field(ge=0)] = 0.0


class RunEventUsage(BaseModel):
    """What a run used. ``models`` is sorted by provider, model and tier; left out, it is made of ``model``.

    ``calls_without_usage`` counts model calls whose tokens nobody reported: their cost is unknown, not zero.
    """

    model: RunEventModelUsage
    tools: list[RunEventToolUsage] = Field(default_factory=list)
    models: list[RunEventModelRow] = Field(default_factory=list)
    calls_without_usage: Count = 0

    @model_validator(mode="after")
    def _models_from_model(self) -> RunEventUsage:
        if not self.models and (self.model.model or self.model.provider):
            self.models = [
                RunEventModelRow(
                    provider=self.model.provider,
                    model=self.model.model,
                    input_tokens=self.model.input_tokens,
                    output_tokens=self.model.output_tokens,
                    cached_input_tokens=self.model.cached_input_tokens,
                )
            ]
        else:
            self.models = sorted(self.models, key=lambda row: (row.provider, row.model, row.input_tier or 0))
        return self


class RunEventScore(BaseModel):
    """One evaluation of a run (``gen_ai.evaluation.result``): a number, a label, or both.

    Events that are sent in may bring 128 scores, of names and labels of 128 characters; a number that is not finite is
    null.
    """

    name: str
    value: float | None = None
    label: str | None = None


class RunEvent(BaseModel):
    """One run of an agent, finished (``run_end``) or in progress (``run_start``).

    ``run_id`` is unique in the workspace; the first event of an id wins, and a ``run_end`` completes its ``run_start``.
    """

    api_version: Literal["v1"] = "v1"
    type: Literal["run_start", "run_end"] = "run_end"
    timestamp: Moment
    workspace_id: str = "ws_local"
    agent_id: str
    release_id: str
    run_id: str
    tenant_id: str
    task_id: str
    environment: str
    request: RunEventRequest | None = None
    metrics: RunEventMetrics = Field(default_factory=RunEventMetrics)
    usage: RunEventUsage
    labels: dict[str, str] = Field(default_factory=dict)
    run_kind: RunKind = "agent"
    source: Literal["native", "otlp"] = "native"
    scores: list[RunEventScore] = Field(default_factory=list, exclude_if=lambda scores: not scores)
