"""1.3's policy: absolute limits on the candidate and a level of confidence from sample sizes.

Two differences to 1.3 are decided here: a side without a finished run is NODATA and never passes, unless the policy
sets that side's minimum to 0 (D4); and runs without a price are limited instead of counting as free (D6).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from flightdeck.models import DiffConfig, Policy, PolicyResult, Verdict, VerdictReason, VerdictWarning

Confidence = Literal["HIGH", "MEDIUM", "LOW"]


@dataclass(frozen=True, slots=True)
class Side:
    """One release's finished runs, summed up.

    ``cost_per_run_usd`` is the mean over the priced ones, 0 when there are none; ``latency_ms_avg`` is over those with
    a latency, None when there are none; ``error_rate`` is 0 without a run.
    """

    runs: int
    unpriced_runs: int
    cost_per_run_usd: float
    latency_ms_avg: float | None
    error_rate: float
    unknown_usage_runs: int = 0

    @property
    def unpriced_share(self) -> float:
        """Runs without a price among all, 0..1."""
        return self.unpriced_runs / self.runs if self.runs else 0.0

    @property
    def unknown_usage_share(self) -> float:
        """Runs with calls whose tokens nobody reported among all, 0..1."""
        return self.unknown_usage_runs / self.runs if self.runs else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What a policy looks at. ``same_release``: the candidate is compared with itself."""

    baseline: Side
    candidate: Side
    same_release: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came out: how far the samples carry, what the policy says, and the status derived from both."""

    confidence: Confidence
    confidence_reason: str | None
    policy: PolicyResult
    verdict: Verdict


def evaluate(summary: Summary, policy: Policy, config: DiffConfig, now: datetime) -> Judgement:
    """Judges a candidate by a policy.

    Args:
        summary: both sides.
        policy: its null minimums are the workspace's.
        config: the workspace's minimums.
        now: recorded as the time of the evaluation.
    """
    confidence, confidence_reason = _confidence(summary, policy, config)
    reasons = [
        *_limits(summary.candidate, policy),
        *_high_confidence(confidence, confidence_reason, policy),
        *_unpriced(summary.candidate, policy),
        *_unknown_usage(summary.candidate, policy),
        *_no_data(summary, policy),
    ]
    status: Literal["PASS", "FAIL", "NODATA"] = "FAIL" if reasons else "PASS"
    if any(reason.code == "no_data" for reason in reasons):
        status = "NODATA"
    return Judgement(
        confidence=confidence,
        confidence_reason=confidence_reason,
        policy=PolicyResult(passed=not reasons, reasons=[reason.message for reason in reasons], evaluated_at=now),
        verdict=Verdict(status=status, reasons=reasons, blocks=bool(reasons), warnings=_warnings(summary)),
    )


def _confidence(summary: Summary, policy: Policy, config: DiffConfig) -> tuple[Confidence, str | None]:
    candidate, baseline = summary.candidate.runs, summary.baseline.runs
    need_candidate = _first(policy.min_candidate_runs, config.min_candidate_runs)
    need_baseline = _first(policy.min_baseline_runs, config.min_baseline_runs)
    floor = _first(policy.min_low_runs, config.min_low_runs)
    short = []
    if candidate < need_candidate:
        short.append(f"candidate sample < {need_candidate} runs")
    if baseline < need_baseline:
        short.append(f"baseline sample < {need_baseline} runs")
    if not short:
        return "HIGH", None
    if min(candidate, baseline) < floor:
        return "LOW", "; ".join([*short, f"LOW floor is {floor} runs"])
    return "MEDIUM", "; ".join(short)


def _limits(candidate: Side, policy: Policy) -> list[VerdictReason]:
    cost, latency, errors = candidate.cost_per_run_usd, candidate.latency_ms_avg, candidate.error_rate
    reasons = []
    if policy.max_cost_per_run_usd is not None and cost > policy.max_cost_per_run_usd:
        message = f"candidate cost_per_run_usd {cost:.6f} exceeds max {policy.max_cost_per_run_usd:.6f}"
        reasons.append(_broken("cost_usd", "max_cost_per_run_usd", message))
    if policy.max_latency_ms is not None and latency is not None and latency > policy.max_latency_ms:
        message = f"candidate latency_ms_avg {latency:.2f} exceeds max {policy.max_latency_ms}"
        reasons.append(_broken("latency_ms", "max_latency_ms", message))
    if policy.max_error_rate is not None and errors > policy.max_error_rate:
        message = f"candidate error_rate {errors:.4f} exceeds max {policy.max_error_rate:.4f}"
        reasons.append(_broken("error_rate", "max_error_rate", message))
    return reasons


def _broken(metric: str, name: str, message: str) -> VerdictReason:
    return VerdictReason(code="limit_exceeded", metric=metric, name=name, message=message)


def _high_confidence(confidence: Confidence, why: str | None, policy: Policy) -> list[VerdictReason]:
    if not policy.require_high_diff_confidence or confidence == "HIGH":
        return []
    message = f"diff confidence is {confidence} ({why}); promotion requires HIGH"
    return [VerdictReason(code="low_confidence", message=message)]


def _unpriced(candidate: Side, policy: Policy) -> list[VerdictReason]:
    most = policy.max_unpriced_share
    if most is None:
        # A limit on cost says nothing about runs whose cost is unknown.
        most = None if policy.max_cost_per_run_usd is None else 0.0
    if most is None or candidate.unpriced_share <= most:
        return []
    message = f"candidate unpriced share {candidate.unpriced_share:.4f} exceeds max {most:.4f}"
    return [VerdictReason(code="unpriced_runs", metric="cost_usd", name="max_unpriced_share", message=message)]


def _unknown_usage(candidate: Side, policy: Policy) -> list[VerdictReason]:
    most, share = policy.max_unknown_usage_share, candidate.unknown_usage_share
    if most is None or share <= most:
        return []
    message = f"candidate unknown usage share {share:.4f} exceeds max {most:.4f}"
    return [
        VerdictReason(code="unknown_usage", metric="tokens_per_run", name="max_unknown_usage_share", message=message)
    ]


def _no_data(summary: Summary, policy: Policy) -> list[VerdictReason]:
    sides = (
        ("baseline", summary.baseline.runs, policy.min_baseline_runs),
        ("candidate", summary.candidate.runs, policy.min_candidate_runs),
    )
    return [
        VerdictReason(code="no_data", message=f"no evidence: {side} has no finished run in the window")
        for side, runs, minimum in sides
        if runs == 0 and minimum != 0
    ]


def _warnings(summary: Summary) -> list[VerdictWarning]:
    warnings = [
        VerdictWarning(code="unpriced_runs", message=f"{name}: {side.unpriced_runs} of {side.runs} runs have no price")
        for name, side in (("baseline", summary.baseline), ("candidate", summary.candidate))
        if side.unpriced_runs
    ]
    if summary.same_release:
        warnings.append(VerdictWarning(code="self_comparison", message="both sides are the same release"))
    return warnings


def _first(own: int | None, inherited: int) -> int:
    return inherited if own is None else own
