"""The words on the wire: what users send and receive, under the names of ``flightdeck-ai`` 1.3.

What is accepted is pydantic's lax reading of these models (a latency of ``"12"`` is 12, unknown keys are ignored in
events). Keys that 1.3 does not know are additions; none of 1.3's is renamed or missing. ``schemas/v1/`` holds the JSON
Schemas generated from here.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel

from flightdeck.models.charts import (
    ChartBin,
    ChartPoint,
    ChartQuantile,
    DiffCharts,
    MetricDistribution,
    MetricOverTime,
    PolicyLine,
    SideDistribution,
)
from flightdeck.models.decisions import (
    Confirmation,
    Decision,
    Outcome,
    PromotionRequest,
    PromotionWish,
)
from flightdeck.models.diff import (
    DataQuality,
    Diff,
    DiffCatalog,
    DiffFilters,
    DiffMetrics,
    DiffPrices,
    DiffPricing,
    DiffQuality,
    DiffRequest,
    DiffSamples,
    DiffWindow,
)
from flightdeck.models.explanation import Driver, Explanation, MetricDrivers
from flightdeck.models.fields import Moment
from flightdeck.models.policy import DiffConfig, Policy, PolicyResult
from flightdeck.models.prices import CatalogTariff, PricingCatalog, PricingEntry, PricingMapping, PricingTable
from flightdeck.models.releases import (
    PricingReference,
    ReleaseAgent,
    ReleaseArtifact,
    ReleaseFallback,
    ReleaseMetadata,
    ReleasePrompts,
    ReleaseRecord,
    ReleaseRetryPolicy,
    ReleaseRouting,
    ReleaseRuntime,
    ReleaseSafety,
    ReleaseSpec,
    ReleaseTimeouts,
    ReleaseTools,
)
from flightdeck.models.runs import (
    RunEvent,
    RunEventMetrics,
    RunEventModelRow,
    RunEventModelUsage,
    RunEventRequest,
    RunEventScore,
    RunEventToolUsage,
    RunEventUsage,
    RunKind,
)
from flightdeck.models.statistics import Guardrail, Statistics
from flightdeck.models.verdict import (
    RunsNeeded,
    Verdict,
    VerdictClusters,
    VerdictEffect,
    VerdictLimit,
    VerdictMargin,
    VerdictMetric,
    VerdictMix,
    VerdictReason,
    VerdictTime,
    VerdictWarning,
    VerdictWindow,
    VerdictWindows,
)
from flightdeck.models.webhooks import WEBHOOK_EVENTS, Attempt, Delivery, Message, Webhook, WebhookEvent
from flightdeck.models.window import Window, window_length

__all__ = [
    "WEBHOOK_EVENTS",
    "Attempt",
    "CatalogTariff",
    "ChartBin",
    "ChartPoint",
    "ChartQuantile",
    "Confirmation",
    "DataQuality",
    "Decision",
    "Delivery",
    "Diff",
    "DiffCatalog",
    "DiffCharts",
    "DiffConfig",
    "DiffFilters",
    "DiffMetrics",
    "DiffPrices",
    "DiffPricing",
    "DiffQuality",
    "DiffRequest",
    "DiffSamples",
    "DiffWindow",
    "Driver",
    "Explanation",
    "Guardrail",
    "Message",
    "MetricDistribution",
    "MetricDrivers",
    "MetricOverTime",
    "Moment",
    "Outcome",
    "Policy",
    "PolicyLine",
    "PolicyResult",
    "PricingCatalog",
    "PricingEntry",
    "PricingMapping",
    "PricingReference",
    "PricingTable",
    "PromotionRequest",
    "PromotionWish",
    "ReleaseAgent",
    "ReleaseArtifact",
    "ReleaseFallback",
    "ReleaseMetadata",
    "ReleasePrompts",
    "ReleaseRecord",
    "ReleaseRetryPolicy",
    "ReleaseRouting",
    "ReleaseRuntime",
    "ReleaseSafety",
    "ReleaseSpec",
    "ReleaseTimeouts",
    "ReleaseTools",
    "RunEvent",
    "RunEventMetrics",
    "RunEventModelRow",
    "RunEventModelUsage",
    "RunEventRequest",
    "RunEventScore",
    "RunEventToolUsage",
    "RunEventUsage",
    "RunKind",
    "RunsNeeded",
    "SideDistribution",
    "Statistics",
    "Verdict",
    "VerdictClusters",
    "VerdictEffect",
    "VerdictLimit",
    "VerdictMargin",
    "VerdictMetric",
    "VerdictMix",
    "VerdictReason",
    "VerdictTime",
    "VerdictWarning",
    "VerdictWindow",
    "VerdictWindows",
    "Webhook",
    "WebhookEvent",
    "Window",
    "window_length",
    "wire_models",
]


def wire_models() -> Iterable[type[BaseModel]]:
    """The models whose JSON Schema is published in ``schemas/v1/``."""
    return (
        RunEvent,
        ReleaseArtifact,
        ReleaseRecord,
        PricingTable,
        PricingCatalog,
        Policy,
        DiffRequest,
        Diff,
        DiffCharts,
    )
