"""The words on the wire: what users send and receive, under the names of ``flightdeck-ai`` 1.3.

What is accepted is pydantic's lax reading of these models (a latency of ``"12"`` is 12, unknown keys are ignored in
events). Keys that 1.3 does not know are additions; none of 1.3's is renamed or missing. ``schemas/v1/`` holds the JSON
Schemas generated from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

RunKind = Literal["agent", "chain", "request", "llm_call"]
"""What a run's own span is: an agent's execution, a chain, a request, or a bare model call."""

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Usd = Annotated[float, Field(ge=0)]


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_utc)]
"""A point in time; without a zone it is UTC."""


# --- runs ---------------------------------------------------------------------------------------------


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
    """One evaluation of a run (``gen_ai.evaluation.result``): a number, a label, or both."""

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


# --- releases -----------------------------------------------------------------------------------------


class ReleaseMetadata(BaseModel):
    """What a release is called."""

    name: str
    version: str
    description: str | None = None
    created_by: str | None = None
    created_at: datetime | None = None


class ReleaseAgent(BaseModel):
    """Which agent this is a release of."""

    agent_id: str
    entrypoint: str | None = None


class ReleaseRuntime(BaseModel):
    """The model the release mainly runs on."""

    provider: str
    model: str
    temperature: float | None = None
    max_output_tokens: int | None = None


class ReleasePrompts(BaseModel):
    """Paths of the prompts within the bundle; they are hashed, never stored."""

    system_ref: str
    template_refs: list[str] = Field(default_factory=list)


class ReleaseTools(BaseModel):
    """The tools the release offers."""

    manifest_ref: str | None = None
    tool_names: list[str] = Field(default_factory=list)


class ReleaseFallback(BaseModel):
    """The model that takes over."""

    model: str
    on_error: bool = True


class ReleaseRouting(BaseModel):
    """How a model is chosen."""

    strategy: Literal["single_model", "fallback_model"] = "single_model"
    fallback: ReleaseFallback | None = None


class ReleaseRetryPolicy(BaseModel):
    """How failed calls are repeated."""

    max_retries: int = 0
    backoff_ms: int | None = None


class ReleaseTimeouts(BaseModel):
    """Milliseconds until a call is given up."""

    model_call: int | None = None
    tool_call: int | None = None


class ReleaseSafety(BaseModel):
    """Retries and timeouts."""

    retry_policy: ReleaseRetryPolicy | None = None
    timeouts_ms: ReleaseTimeouts | None = None


class PricingReference(BaseModel):
    """The pricing table that prices the release's runs."""

    provider: str
    pricing_version: str


class ReleaseSpec(BaseModel):
    """What a release is made of."""

    agent: ReleaseAgent
    runtime: ReleaseRuntime
    prompts: ReleasePrompts
    tools: ReleaseTools | None = None
    routing: ReleaseRouting | None = None
    safety: ReleaseSafety | None = None
    pricing_reference: PricingReference
    tags: dict[str, str] = Field(default_factory=dict)


class ReleaseArtifact(BaseModel):
    """The content of ``release.yaml``."""

    api_version: Literal["v1"] = "v1"
    kind: Literal["Release"] = "Release"
    metadata: ReleaseMetadata
    spec: ReleaseSpec


class ReleaseRecord(BaseModel):
    """A registered release. Immutable: there is no update and no delete.

    ``checksum`` is 1.3's hash over the bundle's files, ``digest_v2`` the same with every length framed ("" where the
    release was registered without it).
    """

    release_id: str
    agent_id: str
    version: str
    environment: str
    checksum: str
    digest_v2: str = Field(default="", exclude=True)
    artifact_json: dict[str, Any]
    created_at: Moment


# --- prices -------------------------------------------------------------------------------------------


class PricingEntry(BaseModel):
    """Prices of one model in USD per 1,000 tokens. Cached input without a price costs what input costs."""

    model: str
    input_usd_per_1k_tokens: Usd
    output_usd_per_1k_tokens: Usd
    cached_input_usd_per_1k_tokens: Usd | None = None


class PricingTable(BaseModel):
    """Prices of one provider, at one version. Of several entries of one model the first counts."""

    provider: str
    pricing_version: str
    entries: list[PricingEntry]


class PricingMapping(BaseModel):
    """Which catalog slot a model of a table belongs to."""

    provider: str
    pricing_version: str
    model: str
    catalog_slot_id: str


class CatalogTariff(BaseModel):
    """Prices of a catalog slot in USD per 1,000 tokens."""

    input_usd_per_1k_tokens: Usd
    output_usd_per_1k_tokens: Usd
    cached_input_usd_per_1k_tokens: Usd | None = None


class PricingCatalog(BaseModel):
    """Prices both sides of a diff by slot, so that a change of price table does not look like a change of the agent."""

    api_version: Literal["v1"] = "v1"
    kind: Literal["PricingCatalog"] = "PricingCatalog"
    catalog_version: str
    mappings: list[PricingMapping] = Field(default_factory=list)
    tariffs: dict[str, CatalogTariff] = Field(default_factory=dict)


# --- policy and diff ----------------------------------------------------------------------------------


class DiffConfig(BaseModel):
    """How many runs a side must have: HIGH confidence from ``min_*_runs`` on, LOW under ``min_low_runs``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_candidate_runs: Count = 500
    min_baseline_runs: Count = 500
    min_low_runs: Count = 50


class Policy(BaseModel):
    """What a candidate must hold to be promoted; null limits are off, null minimums are the workspace's.

    ``max_unpriced_share`` bounds the runs whose cost is unknown (null: 0 when there is a cost limit, else no bound).
    """

    model_config = ConfigDict(extra="forbid")

    policy_id: str = "default"
    max_cost_per_run_usd: Usd | None = None
    max_latency_ms: Count | None = None
    max_error_rate: Share | None = None
    max_unpriced_share: Share | None = Field(default=None, exclude_if=lambda share: share is None)
    min_candidate_runs: Count | None = None
    min_baseline_runs: Count | None = None
    min_low_runs: Count | None = None
    require_high_diff_confidence: bool = True


class PolicyResult(BaseModel):
    """What a policy says of a diff. ``passed`` is true exactly when there are no reasons against."""

    passed: bool
    reasons: list[str]
    evaluated_at: Moment


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of UTC time, ``[since, until)``.

    Half-open, so that neighbouring windows never share a run:

    >>> noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    >>> hour = Window(noon, noon + timedelta(hours=1))
    >>> noon in hour, hour.until in hour
    (True, False)
    """

    since: datetime
    until: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.since <= moment < self.until

    @classmethod
    def ending(cls, until: datetime, length: str) -> Window:
        """The window that ends now: ``length`` is a positive number and d, h or m, like ``7d``.

        Raises ValueError with 1.3's text for anything else, and for lengths that reach before year 1.

        >>> Window.ending(datetime(2026, 11, 24, tzinfo=UTC), "36h").since.isoformat()
        '2026-11-22T12:00:00+00:00'
        """
        try:
            return cls(until - window_length(length), until)
        except OverflowError:
            raise ValueError(f"Invalid window: {length}") from None


_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def window_length(text: str) -> timedelta:
    """How long a window like ``7d``, ``24h`` or ``30m`` is; ValueError with 1.3's text if it is none."""
    cleaned = text.strip().lower()
    number, unit = cleaned[:-1], cleaned[-1:]
    try:
        size = int(number)
    except ValueError:
        size = 0
    if size <= 0:
        raise ValueError(f"Invalid window: {text}")
    if unit not in _UNITS:
        raise ValueError(f"Invalid window unit: {text}")
    try:
        return timedelta(**{_UNITS[unit]: size})
    except OverflowError:
        raise ValueError(f"Invalid window: {text}") from None


class DataQuality(BaseModel):
    """Runs of a release, environment and window whose data is worth a second look, counted by kind.

    incomplete: still in progress, or their own span never came · bad_time: their times could not be right ·
    agent_mismatch: refused, they name another agent than their release · cached_exceeds_input: their emitter counts
    cached tokens apart · calls_without_usage: tokens unknown · truncated: too many spans · unassigned: no release.
    """

    incomplete: Count = 0
    bad_time: Count = 0
    agent_mismatch: Count = 0
    cached_exceeds_input: Count = 0
    calls_without_usage: Count = 0
    truncated: Count = 0
    unassigned: Count = 0


class DiffFilters(BaseModel):
    """What a diff was limited to; null is no limit."""

    environment: str
    tenant_id: str | None = None
    task_id: str | None = None


class DiffSamples(BaseModel):
    """How many runs stand behind each side, and how far they carry (1.3's levels)."""

    baseline_runs: Count
    candidate_runs: Count
    baseline_unpriced_runs: Count = 0
    candidate_unpriced_runs: Count = 0
    confidence: Literal["HIGH", "MEDIUM", "LOW"]
    confidence_reason: str | None = None


class DiffMetrics(BaseModel):
    """Means per finished run; deltas are candidate minus baseline. Latencies are null without a measured run."""

    baseline_cost_per_run_usd: float
    candidate_cost_per_run_usd: float
    delta_cost_per_run_usd: float
    delta_cost_per_run_pct: float | None
    baseline_latency_ms_avg: float | None
    candidate_latency_ms_avg: float | None
    delta_latency_ms_avg: float | None
    baseline_error_rate: float
    candidate_error_rate: float
    delta_error_rate: float


class DiffPrices(BaseModel):
    """Prices of each release's own model in USD per 1,000 tokens; null where its table does not list it."""

    baseline_input_usd_per_1k_tokens: float | None = None
    baseline_output_usd_per_1k_tokens: float | None = None
    baseline_cached_input_usd_per_1k_tokens: float | None = None
    candidate_input_usd_per_1k_tokens: float | None = None
    candidate_output_usd_per_1k_tokens: float | None = None
    candidate_cached_input_usd_per_1k_tokens: float | None = None


class DiffCatalog(BaseModel):
    """Both sides under the catalog's tariffs; null where a side has no slot."""

    enabled: bool = False
    catalog_version: str | None = None
    baseline_slot_id: str | None = None
    candidate_slot_id: str | None = None
    baseline_cost_per_run_usd: float | None = None
    candidate_cost_per_run_usd: float | None = None
    delta_cost_per_run_usd: float | None = None
    warnings: list[str] = Field(default_factory=list)


class DiffPricing(BaseModel):
    """Which prices a diff was made with."""

    baseline_provider: str
    baseline_version: str
    baseline_model: str
    candidate_provider: str
    candidate_version: str
    candidate_model: str
    pricing_or_model_changed: bool
    prices: DiffPrices
    catalog: DiffCatalog
    warnings: list[str] = Field(default_factory=list)
    hints: list[str] = Field(default_factory=list)


class VerdictReason(BaseModel):
    """Why a verdict is not PASS. ``metric`` is "" when it concerns the evidence as a whole."""

    code: str
    metric: str = ""
    message: str


class VerdictWarning(BaseModel):
    """What to know about a verdict, whatever it is."""

    code: str
    message: str


class Verdict(BaseModel):
    """Roll forward or not: PASS, FAIL, INCONCLUSIVE (more runs are needed), NODATA (a side has no finished run)."""

    status: Literal["PASS", "FAIL", "INCONCLUSIVE", "NODATA"]
    reasons: list[VerdictReason] = Field(default_factory=list)
    warnings: list[VerdictWarning] = Field(default_factory=list)


class DiffQuality(BaseModel):
    """Data quality of both sides."""

    baseline: DataQuality = Field(default_factory=DataQuality)
    candidate: DataQuality = Field(default_factory=DataQuality)


class Diff(BaseModel):
    """Baseline against candidate over ``[since, until)``: the answer of ``POST /v1/diff``."""

    window: str
    since: str
    until: str
    filters: DiffFilters
    pricing: DiffPricing
    samples: DiffSamples
    metrics: DiffMetrics
    policy: PolicyResult
    verdict: Verdict
    data_quality: DiffQuality


class DiffRequest(BaseModel):
    """The body of ``POST /v1/diff``. Without an environment the workspace's default is used."""

    baseline_release_id: str
    candidate_release_id: str
    window: str
    environment: str | None = None
    tenant_id: str | None = None
    task_id: str | None = None


def wire_models() -> Iterable[type[BaseModel]]:
    """The models whose JSON Schema is published in ``schemas/v1/``."""
    return (RunEvent, ReleaseArtifact, ReleaseRecord, PricingTable, PricingCatalog, Policy, DiffRequest, Diff)
