"""Judging again: what a decision was made on, or what somebody exported, and the same or another policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from flightdeck.errors import Invalid
from flightdeck.judge.gate import gate
from flightdeck.judge.policy import Side, Summary, evaluate
from flightdeck.judge.verdict import judge
from flightdeck.ledger.chain import canonical_bytes, sha256
from flightdeck.models import Diff, DiffConfig, Policy, PolicyResult, Verdict
from flightdeck.releases import record

_TAKE = "Take `release diff --output evidence`, or a decision: GET /v1/actions/{id}."


@dataclass(frozen=True, slots=True)
class Rejudged:
    """What came out.

    Attributes:
        diff: the answer that was given then.
        policy: what blocks now.
        verdict: the judge's; of limits only where sums were kept instead of cells.
        limits_only: whether that is so.
    """

    diff: Diff
    policy: PolicyResult
    verdict: Verdict
    limits_only: bool = False


def evidence_in(document: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The evidence in a file: exported, or of a decision as ``GET /v1/actions/{id}`` shows it, which is checked.

    Raises:
        Invalid: it is something else, or the evidence is not the one that the decision was made on.
    """
    if not isinstance(document, dict):
        raise Invalid("This is no evidence.", hint=_TAKE)
    if "decision" not in document:
        return document
    evidence = document.get("evidence")
    if not isinstance(evidence, dict) or not isinstance(document["decision"], dict):
        raise Invalid("This is no decision with its evidence.", hint=_TAKE)
    if sha256(canonical_bytes(evidence, "evidence")) != document["decision"].get("evidence_sha256"):
        raise Invalid("The evidence was changed: it is not what the decision was made on.")
    return evidence


def rejudge(document: Mapping[str, Any], policy: Policy | None = None) -> Rejudged | None:
    """Judges kept evidence again; None where there is none, as nothing was compared then.

    Args:
        document: the evidence of a decision, or an exported one.
        policy: what to judge by; the one of then if not given.

    Raises:
        Invalid: it is something else, or can't be read.
    """
    if "diff" not in document:
        if isinstance(document.get("format"), int):  # of a first promotion, or a rollback that could not be judged
            return None
        raise Invalid("This is no evidence.", hint=_TAKE)
    try:
        own = policy or Policy.model_validate(document["policy"])
        config = DiffConfig.model_validate(document["config"])
        diff = Diff.model_validate(document["diff"])
    except (KeyError, ValidationError) as error:
        raise Invalid(f"The evidence can't be read: {' '.join(str(error).split())[:500]}") from error
    judgement = evaluate(_summary(diff, document), own, config, diff.policy.evaluated_at)
    evidence = record.kept_evidence(dict(document))
    if evidence is None:
        return Rejudged(diff, judgement.policy, judgement.verdict, limits_only=True)
    verdict = judge(evidence, own)
    return Rejudged(diff, gate(own, judgement.policy, verdict), verdict)


def _summary(diff: Diff, document: Mapping[str, Any]) -> Summary:
    samples, metrics = diff.samples, diff.metrics
    request = document.get("request") or {}
    windows = diff.windows
    return Summary(
        baseline=Side(
            runs=samples.baseline_runs,
            unpriced_runs=samples.baseline_unpriced_runs,
            cost_per_run_usd=metrics.baseline_cost_per_run_usd,
            latency_ms_avg=metrics.baseline_latency_ms_avg,
            error_rate=metrics.baseline_error_rate,
            unknown_usage_runs=diff.data_quality.baseline.calls_without_usage,
        ),
        candidate=Side(
            runs=samples.candidate_runs,
            unpriced_runs=samples.candidate_unpriced_runs,
            cost_per_run_usd=metrics.candidate_cost_per_run_usd,
            latency_ms_avg=metrics.candidate_latency_ms_avg,
            error_rate=metrics.candidate_error_rate,
            unknown_usage_runs=diff.data_quality.candidate.calls_without_usage,
        ),
        same_release=request.get("baseline_release_id") == request.get("candidate_release_id")
        and windows.baseline == windows.candidate,
    )
