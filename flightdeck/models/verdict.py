"""The verdict: may the candidate roll forward, why, and every number it rests on.

Every key is always present. A number that is undefined, infinite or unbounded is null; there is no NaN. Units are ms,
USD, share (0..1), count and score. Effects are candidate minus baseline; a relative one is a share of the baseline.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from flightdeck.models.described import Described
from flightdeck.models.fields import Count

Status = Literal["PASS", "FAIL", "INCONCLUSIVE", "NODATA"]
Scope = Literal["tenants", "observed_tenants", "runs"]
Number = Annotated[float, Field(allow_inf_nan=False)]


def guardrail_name(metric: str, estimand: str) -> str:
    """What a guardrail is called: its metric, and what of it unless that is the mean."""
    return metric if estimand == "mean" else f"{metric} {estimand}"


class VerdictReason(Described):
    """Why a verdict is not PASS. ``metric`` and ``name`` are "" when it concerns the evidence as a whole."""

    code: str
    metric: str = ""
    name: str = ""
    """Of the guardrail (``latency_ms p95``; only the metric where it is the mean) or limit (``max_error_rate``)."""
    message: str


class VerdictWarning(Described):
    """What to know about a verdict, whatever it is."""

    code: str
    message: str


class VerdictMargin(Described):
    """How much worse is still acceptable; one of the two."""

    absolute: Number | None = None
    relative: Number | None = None


class VerdictEffect(Described):
    """An estimate between limits, each of which is wrong with probability alpha."""

    estimate: Number | None = None
    low: Number | None = None
    high: Number | None = None


class RunsNeeded(Described):
    """About how many more runs until a decision at the wanted power, were things as they look now; null is unknown."""

    baseline: Count | None = None
    candidate: Count | None = None
    hours: Number | None = None
    """Until they are there, at the window's rate."""
    limited_by: Literal["tenants", "effect"] | None = None
    """Why no number of runs would do: too few tenants, or an effect at or beyond the margin."""


class VerdictMetric(Described):
    """One guardrail: both sides, the effect, and what follows for its margin."""

    name: str
    estimand: str
    direction: Literal["higher_is_worse", "lower_is_worse"] = "higher_is_worse"
    unit: str
    status: Status
    margin: VerdictMargin
    n_baseline: Count
    n_candidate: Count
    missing_baseline: Count
    """Finished runs without a value."""
    missing_candidate: Count
    baseline: Number | None = None
    """The baseline's value, standardised to the pooled mix of tasks."""
    candidate: Number | None = None
    effect_absolute: VerdictEffect
    effect_relative: VerdictEffect
    raw_effect_absolute: Number | None = None
    """Without standardisation."""
    raw_effect_relative: Number | None = None
    z: Number | None = None
    """Statistic at the margin: far below 0 passes, far above fails; null also when infinite."""
    df: Number | None = None
    """Degrees of freedom; null is the normal distribution."""
    p_pass: Number | None = None
    p_fail: Number | None = None
    p_fail_adjusted: Number | None = None
    """Holm's, over all guardrails and limits."""
    design_effect: Number | None = None
    """How many times the variance is that of independent runs."""
    mde: Number | None = None
    """The smallest harm that would be found at the wanted power, in the metric's unit."""
    runs_needed: RunsNeeded


class VerdictLimit(Described):
    """One absolute limit on the candidate (1.3's ``max_…`` keys)."""

    name: str
    metric: str
    unit: str
    status: Status
    limit: Number
    n: Count
    candidate: Number | None = None
    low: Number | None = None
    high: Number | None = None
    z: Number | None = None
    df: Number | None = None
    p_pass: Number | None = None
    p_fail: Number | None = None
    p_fail_adjusted: Number | None = None
    design_effect: Number | None = None


class VerdictMix(Described):
    """How alike the tasks of both sides are."""

    overlap: Number | None = None
    """The smaller of the two sides' shares of runs in strata that were compared."""
    strata_used: Count
    strata_dropped: list[str]
    """Strata that one side lacks or has too few runs in."""


class VerdictClusters(Described):
    """The tenants."""

    unit: Literal["tenant", "run"]
    baseline: Count
    candidate: Count
    shared: Count
    effective: Number | None = None
    """The smaller of both sides' effective number: how many tenants of one size would say as much."""


class VerdictWindow(Described):
    """A side's window, ISO 8601."""

    since: str
    until: str


class VerdictWindows(Described):
    """Both windows; null when unknown."""

    baseline: VerdictWindow | None = None
    candidate: VerdictWindow | None = None


class VerdictTime(Described):
    """Whether both sides ran at the same time, and whether the verdict holds hour by hour."""

    windows: VerdictWindows
    hour_status: Literal["confirmed", "confounded", "unchecked", "disjoint", "off"]
    hours: Count | None = None
    """Width of the stretches of UTC time that were compared."""


class Verdict(Described):
    """Roll forward or not: PASS, FAIL, INCONCLUSIVE (more runs are needed), NODATA (a side has no finished run).

    What comes after ``warnings`` is null and empty where only 1.3's limits were looked at.
    """

    status: Status
    reasons: list[VerdictReason] = Field(default_factory=list)
    warnings: list[VerdictWarning] = Field(default_factory=list)
    gate: Literal["legacy", "verdict", "both"] | None = None
    blocks: bool = False
    """Whether the policy lets it block; its reasons then stand last among the policy's."""
    mode: Literal["fixed", "sequential"] | None = None
    alpha: Number | None = None
    power: Number | None = None
    scope: Scope | None = None
    """What the verdict holds for: tenants like these, these tenants only, or runs like these."""
    as_of: str | None = None
    """When the store was asked, ISO 8601."""
    metrics: list[VerdictMetric] = Field(default_factory=list)
    limits: list[VerdictLimit] = Field(default_factory=list)
    mix: VerdictMix | None = None
    clusters: VerdictClusters | None = None
    time: VerdictTime | None = None
    runs_needed: RunsNeeded | None = None
    """The most that any undecided guardrail needs."""
