"""Diffs: baseline against candidate."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from flightdeck.models.explanation import Explanation
from flightdeck.models.fields import Count, Moment
from flightdeck.models.policy import Policy, PolicyResult
from flightdeck.models.verdict import Verdict, VerdictWindows


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


class DiffQuality(BaseModel):
    """Data quality of both sides."""

    baseline: DataQuality = Field(default_factory=DataQuality)
    candidate: DataQuality = Field(default_factory=DataQuality)


class Diff(BaseModel):
    """Baseline against candidate: the answer of ``POST /v1/diff``.

    ``since`` and ``until`` are the candidate's; ``window`` is the length that was asked for, or, where the candidate
    has a window of its own, that window as ``since/until``.

    ``policy`` is what blocks: 1.3's limits, and the verdict where the policy's ``statistics.gate`` says so. ``verdict``
    is the judge's; without ``statistics`` in the policy it is advice. ``evidence`` and ``explanation`` are there when
    they were asked for. ``warnings`` name what was sent and not understood, and are left out where
    there are none.
    """

    window: str
    since: str
    until: str
    windows: VerdictWindows = Field(default_factory=VerdictWindows)
    filters: DiffFilters
    pricing: DiffPricing
    samples: DiffSamples
    metrics: DiffMetrics
    policy: PolicyResult
    verdict: Verdict
    data_quality: DiffQuality
    warnings: list[str] = Field(default_factory=list, exclude_if=lambda warnings: not warnings)
    explanation: Explanation | None = Field(default=None, exclude_if=lambda explanation: explanation is None)
    evidence: dict[str, Any] | None = Field(default=None, exclude_if=lambda evidence: evidence is None)


class DiffWindow(BaseModel):
    """A side's own window, ``[since, until)``; a time without a zone is UTC."""

    model_config = ConfigDict(extra="forbid")

    since: Moment
    until: Moment

    @model_validator(mode="after")
    def _forwards(self) -> DiffWindow:
        if self.since >= self.until:
            raise ValueError("since must be before until")
        return self


class DiffRequest(BaseModel):
    """The body of ``POST /v1/diff``. Without an environment the workspace's default is used.

    ``window`` ends now and holds for each side that has no window of its own; it may be left out where both have.

    ``pricing`` prices both releases by another table (``provider/version``: an imported one, or the defaults) or by the
    catalog (``catalog``) instead of their own; ``policy`` judges by another one than the active; ``explain`` asks for
    ``explanation``, ``include_evidence`` for all that the verdict rests on, in a form that can be judged again.
    Other keys are ignored, as 1.3 does, and named in the answer's ``warnings``.
    """

    model_config = ConfigDict(extra="allow")

    baseline_release_id: str
    candidate_release_id: str
    environment: str | None = None
    tenant_id: str | None = None
    task_id: str | None = None
    baseline_window: DiffWindow | None = None
    candidate_window: DiffWindow | None = None
    pricing: str | None = None
    policy: Policy | None = None
    explain: bool = False
    include_evidence: bool = False
    window: Annotated[str | None, Field(validate_default=True)] = None

    @field_validator("window", mode="after")
    @classmethod
    def _some_window(cls, window: str | None, info: ValidationInfo) -> str | None:
        if window is None and not (info.data.get("baseline_window") and info.data.get("candidate_window")):
            raise PydanticCustomError("missing", "Field required")
        return window
