"""Policies: what a candidate must hold."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from flightdeck.models.described import Described
from flightdeck.models.fields import Count, Moment, Share, Usd
from flightdeck.models.statistics import Statistics


class DiffConfig(Described):
    """How many runs a side must have: HIGH confidence from ``min_*_runs`` on, LOW under ``min_low_runs``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_candidate_runs: Count = 500
    """Runs of the candidate from which on confidence is HIGH."""
    min_baseline_runs: Count = 500
    """Runs of the baseline from which on confidence is HIGH."""
    min_low_runs: Count = 50
    """Runs of either side below which confidence is LOW."""


class Policy(BaseModel):
    """What a candidate must hold to be promoted; null limits are off, null minimums are the workspace's.

    ``max_unpriced_share`` bounds the runs whose cost is unknown (null: 0 when there is a cost limit, else no bound),
    ``max_unknown_usage_share`` those with calls whose tokens nobody reported (null: a warning). Without ``statistics``
    1.3's limits decide, and the judge's verdict is advice.
    """

    model_config = ConfigDict(extra="forbid")

    policy_id: str = "default"
    max_cost_per_run_usd: Usd | None = None
    max_latency_ms: Count | None = None
    max_error_rate: Share | None = None
    max_unpriced_share: Share | None = Field(default=None, exclude_if=lambda share: share is None)
    max_unknown_usage_share: Share | None = Field(default=None, exclude_if=lambda share: share is None)
    min_candidate_runs: Count | None = None
    min_baseline_runs: Count | None = None
    min_low_runs: Count | None = None
    require_high_diff_confidence: bool = True
    statistics: Statistics | None = Field(default=None, exclude_if=lambda statistics: statistics is None)


class PolicyScope(BaseModel):
    """What a policy is for; null is any. Of several the narrowest counts, an agent before an environment."""

    model_config = ConfigDict(frozen=True)

    agent_id: str | None = None
    environment: str | None = None

    @property
    def precedence(self) -> int:
        """The larger comes first."""
        return 2 * (self.agent_id is not None) + (self.environment is not None)

    def __str__(self) -> str:
        agent = "any agent" if self.agent_id is None else f"agent {self.agent_id!r}"
        return f"{agent} in {'any environment' if self.environment is None else f'environment {self.environment!r}'}"


EVERYTHING = PolicyScope()
"""Any agent in any environment: the only scope that 1.3 has."""


class PolicyResult(BaseModel):
    """What a policy says of a diff. ``passed`` is true exactly when there are no reasons against."""

    passed: bool
    reasons: list[str]
    evaluated_at: Moment
