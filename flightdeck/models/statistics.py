"""The ``statistics`` section of a policy: what the judge must show before a candidate passes, and how surely."""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from flightdeck.models.described import Described
from flightdeck.models.window import length_s

Metric = Literal["error_rate", "latency_ms", "cost_usd", "tokens_per_run", "tools_per_run", "cost_per_success"]
METRICS: tuple[Metric, ...] = (
    "error_rate",
    "latency_ms",
    "cost_usd",
    "tokens_per_run",
    "tools_per_run",
    "cost_per_success",
)
SCORE = "score:"
"""Begins the metric of a custom score; its name follows."""

Estimand = Literal["mean", "geometric_mean", "p50", "p95", "p99"]
WITH_HISTOGRAM: tuple[Literal["latency_ms"], Literal["tokens_per_run"]] = ("latency_ms", "tokens_per_run")
"""The metrics that have quantiles and a geometric mean: bins below one unit hold nothing."""

MOST_GUARDRAILS = 50
MOST_LAG_S = 7 * 86_400


class Closed(Described):
    """A model whose keys are a closed set: an unknown one is an error that names the nearest."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the document holds
        if isinstance(given, dict):
            for key in given:
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key {str(key)[:100]!r}{_nearest(str(key), list(cls.model_fields))}")
        return given


class Guardrail(Closed):
    """How much worse than the baseline a candidate may be in one metric, either ``absolute`` or ``relative``."""

    metric: str
    """error_rate, latency_ms, cost_usd, tokens_per_run, tools_per_run, cost_per_success or score:<name>."""
    estimand: Estimand = "mean"
    """What of the metric: its mean, or (latency_ms and tokens_per_run only) geometric_mean, p50, p95 or p99."""
    direction: Literal["higher_is_worse", "lower_is_worse"] | None = None
    """Which way is harm. A score needs it; all other metrics are worse when higher."""
    absolute: Annotated[float, Field(gt=0)] | None = None
    """The margin in the metric's unit (ms, USD, share 0..1, count)."""
    relative: Annotated[float, Field(gt=0)] | None = None
    """The margin as a share of the baseline: 0.1 is 10 %."""

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, metric: str) -> str:
        if metric in METRICS or (metric.startswith(SCORE) and 0 < len(metric) - len(SCORE) <= 200):
            return metric
        raise ValueError(f"unknown metric {metric[:100]!r}{_nearest(metric, [*METRICS, 'score:<name>'])}")

    @model_validator(mode="after")
    def _coherent(self) -> Guardrail:
        if (self.absolute is None) == (self.relative is None):
            raise ValueError(f"{self.metric}: give exactly one of absolute and relative, above 0")
        if self.estimand != "mean" and self.metric not in WITH_HISTOGRAM:
            raise ValueError(f"{self.metric}: {self.estimand} is for latency_ms and tokens_per_run only; use mean")
        if self.metric.startswith(SCORE):
            if self.direction is None:
                raise ValueError(f"{self.metric}: a score needs direction: higher_is_worse or lower_is_worse")
        elif self.direction == "lower_is_worse":
            raise ValueError(f"{self.metric}: is worse when higher; direction: lower_is_worse is for scores")
        if self.metric == "error_rate" and (self.absolute or 0) >= 1:
            raise ValueError("error_rate: absolute is a share, below 1")
        if self.harm < 0 and (self.relative or 0) >= 1:
            raise ValueError(f"{self.metric}: relative is below 1 where lower is worse")
        return self

    @property
    def harm(self) -> Literal[1, -1]:
        """1 where higher is worse, -1 where lower is."""
        return -1 if self.direction == "lower_is_worse" else 1


DEFAULT_GUARDRAILS = (
    Guardrail(metric="error_rate", absolute=0.02),
    Guardrail(metric="latency_ms", relative=0.10),
    Guardrail(metric="cost_usd", relative=0.10),
)


class Statistics(Closed):
    """How the judge decides. Absent from a policy: the verdict of these defaults is advice, 1.3's limits decide."""

    gate: Literal["legacy", "verdict", "both"] = "both"
    """What blocks: 1.3's limits, the verdict, or either."""
    alpha: Annotated[float, Field(gt=0, le=0.25)] = 0.05
    """The chance, one-sided, of a wrong answer at the margin."""
    power: Annotated[float, Field(ge=0.5, lt=1)] = 0.8
    """The chance of a decision for which runs needed are computed."""
    sequential: bool = False
    """Valid however often it is looked at; needs about twice the runs."""
    on_inconclusive: Literal["block", "allow"] = "block"
    """What INCONCLUSIVE does to a promotion; NODATA always blocks."""
    cluster: Literal["tenant", "fixed", "none"] = "tenant"
    """tenant: runs of a tenant are correlated, the verdict holds for other tenants too · fixed: for these tenants only
    · none: every run stands for itself."""
    strata: tuple[Literal["task"], ...] = Field(default=("task",), max_length=1)
    """What both releases are made equal in; empty: nothing."""
    min_runs: Annotated[int, Field(ge=2)] = 30
    """Runs with the metric that each side needs for a decision."""
    min_stratum_runs: Annotated[int, Field(ge=2)] = 5
    """Runs that a stratum needs on both sides to be compared."""
    min_overlap: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of each side's runs that must lie in compared strata."""
    min_effective_clusters: Annotated[float, Field(ge=2)] = 5
    """Effective tenants of each side below which the verdict is about the observed tenants only."""
    lag: str = "0s"
    """How long before the window's end runs must have started (30s, 20m, 2h, 1d): longer than most runs last."""
    time_check: Literal["require", "warn", "off"] = "require"
    """Whether PASS and FAIL must hold when hours of the day are made equal too."""
    require_concurrent: bool = False
    """Whether windows that do not overlap make the verdict INCONCLUSIVE; else they warn."""
    expected_split: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None = None
    """Shares of traffic of baseline and candidate that were planned; far from it warns."""
    guardrails: tuple[Guardrail, ...] = Field(default=DEFAULT_GUARDRAILS, max_length=MOST_GUARDRAILS)
    """All must hold for PASS; one shown to be broken is FAIL."""

    @field_validator("lag")
    @classmethod
    def _is_a_time(cls, lag: str) -> str:
        seconds = length_s(lag)
        if seconds is None or seconds > MOST_LAG_S:
            raise ValueError("lag is a whole number and s, m, h or d, at most 7d; for example 20m")
        return lag

    @field_validator("expected_split")
    @classmethod
    def _sums_to_one(cls, split: tuple[float, float] | None) -> tuple[float, float] | None:
        if split is not None and not math.isclose(sum(split), 1, abs_tol=1e-9):
            raise ValueError("expected_split: the shares of baseline and candidate, which sum to 1")
        return split

    @field_validator("guardrails")
    @classmethod
    def _distinct(cls, guardrails: tuple[Guardrail, ...]) -> tuple[Guardrail, ...]:
        if not guardrails:
            raise ValueError("name at least one guardrail, or leave guardrails out for the default three")
        seen = [(one.metric, one.estimand) for one in guardrails]
        for one in seen:
            if seen.count(one) > 1:
                raise ValueError(f"{one[0]} ({one[1]}) has two guardrails; keep one")
        return guardrails

    @property
    def lag_s(self) -> int:
        """``lag`` in seconds."""
        return length_s(self.lag) or 0


def _nearest(word: str, words: list[str]) -> str:
    near = get_close_matches(word, words, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(words)}"
