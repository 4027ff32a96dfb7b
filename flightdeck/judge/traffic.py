"""What to know of the runs themselves: open ones, their split, unpriced ones, earlier looks."""

from __future__ import annotations

from flightdeck.judge.evidence import Arm, Evidence
from flightdeck.judge.guardrails import SIDES
from flightdeck.judge.special import chdtrc
from flightdeck.models import Policy
from flightdeck.models.statistics import Statistics

MOST_OPEN = 0.01
"""Share of a side's runs that may still be open before its latency counts as censored."""
MISMATCH_P = 0.001


def censored(evidence: Evidence) -> bool:
    """Whether so many runs are open that latency, which the slow ones raise, can't pass."""
    return any(_open_share(arm) > MOST_OPEN for arm in evidence.arms)


def sample_ratio(observed: tuple[int, int], expected: tuple[float, float]) -> tuple[float, float]:
    """Chi-square of a split in two, and its p.

    >>> chi2, p = sample_ratio((480, 520), (0.5, 0.5))
    >>> round(chi2, 9), round(p, 9)
    (1.6, 0.205903211)
    """
    total = sum(observed)
    wanted = [share / sum(expected) * total for share in expected]
    chi2 = sum((got - want) ** 2 / want for got, want in zip(observed, wanted, strict=True)) if total else 0.0
    return chi2, float(chdtrc(1, chi2))


def unpriced(arm: Arm, tariff: int) -> int:
    """Runs without a price."""
    return sum(cell.costs[tariff].unpriced if tariff < len(cell.costs) else cell.runs for cell in arm.cells)


def unknown_usage(arm: Arm) -> int:
    """Runs with calls whose tokens nobody reported."""
    return sum(cell.unknown_usage for cell in arm.cells)


def traffic_warnings(
    evidence: Evidence, policy: Policy, statistics: Statistics, runs: tuple[int, int]
) -> list[tuple[str, str]]:
    """Codes and messages."""
    found: list[tuple[str, str]] = []
    for side, arm, count in zip(SIDES, evidence.arms, runs, strict=True):
        if _open_share(arm) > MOST_OPEN:
            found.append(("censored", f"{side}: {arm.open_runs:,} runs are still open beside {count:,} finished ones"))
        if missing := unpriced(arm, evidence.tariff):
            found.append(
                ("unpriced_runs", f"{side}: {missing:,} of {count:,} runs have no price; cost leaves them out")
            )
        if (unknown := unknown_usage(arm)) and policy.max_unknown_usage_share is None:
            found.append(("unknown_usage", f"{side}: {unknown:,} of {count:,} runs have calls of unknown usage"))
        if arm.left_out:
            found.append(("unusable_values", f"{side}: {arm.left_out:,} runs have values that are not numbers"))
    started = (runs[0] + evidence.baseline.open_runs, runs[1] + evidence.candidate.open_runs)
    if statistics.expected_split is not None and sample_ratio(started, statistics.expected_split)[1] < MISMATCH_P:
        share = started[1] / sum(started)
        planned = statistics.expected_split[1]
        found.append(
            ("sample_ratio_mismatch", f"the candidate got {share:.1%} of the runs, {planned:.1%} were planned: why?")
        )
    if evidence.baseline.release_id == evidence.candidate.release_id:
        found.append(("self_comparison", "both sides are the same release"))
    if evidence.looks and not statistics.sequential:
        times = "once" if evidence.looks == 1 else f"{evidence.looks:,} times"
        message = f"judged {times} before; each look adds to the chance of a wrong answer: use sequential"
        found.append(("repeated_looks", message))
    if evidence.other_tasks or evidence.other_tenants:
        found.append(
            ("folded", f"{evidence.other_tasks:,} small tasks and {evidence.other_tenants:,} small tenants were merged")
        )
    return found


def _open_share(arm: Arm) -> float:
    runs = sum(cell.runs for cell in arm.cells) + arm.open_runs
    return arm.open_runs / runs if runs else 0.0
