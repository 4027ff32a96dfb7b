"""Explanation: why each guardrail is what it is, and how far from a decision."""

from __future__ import annotations

from collections.abc import Sequence

from flightdeck.judge import quantities, words
from flightdeck.judge.decision import CLEAR, ByHour, Decided, Together
from flightdeck.judge.evidence import Evidence
from flightdeck.judge.guardrails import Assessment
from flightdeck.judge.hours import length_h
from flightdeck.judge.needed import power_quantile, runs_needed, smallest_harm
from flightdeck.judge.series import Series
from flightdeck.models.statistics import Statistics
from flightdeck.models.verdict import RunsNeeded

_PROBLEMS = {
    "no_metric_data": "a side has no value of it",
    "too_few_runs": "{baseline:,} runs of the baseline and {candidate:,} of the candidate; {least} of each are needed",
    "zero_baseline": "the baseline is not above 0, so no share of it can be a margin; give an absolute one",
    "no_success": "a side has no successful run",
    "few_clusters": "too few tenants in the tasks that both releases have",
}

_STEADY = "the time of day moved it, so give both releases a steady share of the runs"

_UNDECIDED = {
    None: "needs_more_runs",
    "tenants": "needs_more_tenants",
    "effect": "will_not_pass_at_this_effect",
}


def explain(together: Together, evidence: Evidence, statistics: Statistics) -> None:
    """Writes the reasons, the smallest harm that would be found, and the runs needed of every guardrail."""
    spare = power_quantile(statistics.power, together.tests)
    hours = length_h(evidence.arms, statistics.lag_s)
    for one in together.guardrails:
        own, status = one.own, one.status
        one.mde = None if own.outcome is None else smallest_harm(own.outcome, spare)
        if status == "NODATA":
            if own.problem == "no_metric_data" and not one.reasons:
                one.because("no_metric_data", f"{own.name}: {_PROBLEMS['no_metric_data']}")
            continue
        if status in {"PASS", "FAIL"}:
            one.needed = RunsNeeded(baseline=0, candidate=0, hours=0.0)
            if status == "FAIL":
                one.because("worse_than_margin", f"{own.name} {words.effect(own)}")
            continue
        if one.by_hour is not None:
            one.needed = _needed_by_hour(one.by_hour, together.tests, hours, statistics)
            waits = _STEADY if one.by_hour.status in CLEAR else quantities.more_runs(one.needed)
            one.because("time_confounded", f"{words.by_hour(own, one.by_hour)}: {waits}")
            continue
        one.needed = _needed(one, spare, hours, statistics)
        if own.problem is not None:
            one.because(own.problem, _problem(own, statistics))
        elif not one.reasons:
            _undecided(one)


def _needed(one: Decided, spare: float, hours: float | None, statistics: Statistics) -> RunsNeeded:
    own = one.own
    found = RunsNeeded()
    if own.outcome is not None and own.problem not in {"no_overlap", "zero_baseline", "no_success"}:
        found = runs_needed(own.outcome, own.counts, spare, hours, clustered=own.scope == "tenants")
    if own.problem != "too_few_runs" or found.limited_by is not None:
        return found
    short = [max(0, statistics.min_runs - count) for count in own.counts]
    times = [short[side] / own.counts[side] for side in (0, 1) if own.counts[side]]
    wait = None if hours is None or len(times) < 2 else max(found.hours or 0.0, hours * max(times))
    return RunsNeeded(
        baseline=max(found.baseline or 0, short[0]), candidate=max(found.candidate or 0, short[1]), hours=wait
    )


def _needed_by_hour(found: ByHour, tests: int, hours: float | None, statistics: Statistics) -> RunsNeeded:
    """Until what the same hours show is decided: a harm beyond the margin fails then, any other passes.

    Where they show the opposite already, no number of runs is known to settle it.
    """
    own = found.own
    if own.outcome is None or own.problem is not None or found.status in CLEAR:
        return RunsNeeded()
    spare, clustered = power_quantile(statistics.power, tests), own.scope == "tenants"
    return runs_needed(own.outcome, own.counts, spare, hours, clustered=clustered, tests=tests)


def _problem(own: Assessment, statistics: Statistics) -> str:
    if own.problem == "no_overlap":
        share = f"{own.overlap or 0.0:.0%} of a side's runs are in strata that both releases have enough runs in"
        missing = f"; not compared: {words.names(own.dropped)}" if own.dropped else ""
        return f"{own.name}: {share}, {statistics.min_overlap:.0%} are needed{missing}"
    text = _PROBLEMS[own.problem or ""].format(
        baseline=own.counts[0], candidate=own.counts[1], least=statistics.min_runs
    )
    return f"{own.name}: {text}"


def _undecided(one: Decided) -> None:
    found = words.effect(one.own)
    code = _UNDECIDED[one.needed.limited_by]
    one.because(code, f"{one.own.name} {found}: {quantities.more_runs(one.needed)}")


def worse_within(decided: Sequence[Decided]) -> list[tuple[str, str]]:
    """Warnings of what passed though it is shown to be worse."""
    noted = []
    for one in decided:
        outcome = one.own.outcome
        if one.status != "PASS" or outcome is None:
            continue
        limits = outcome.absolute if outcome.absolute.low is not None else outcome.relative
        least = limits.low if one.own.guardrail.harm > 0 else limits.high
        if least is not None and least * one.own.guardrail.harm > 0:
            noted.append(("detectable_within_margin", f"{one.own.name}: it is worse, but within the margin"))
    return noted


def all_failed(runs: Series) -> list[tuple[str, str]]:
    """A warning where no run of either side succeeded."""
    failed = [0, 0]
    for cell, side in zip(runs.frame.cells, runs.frame.side, strict=True):
        failed[int(side)] += cell.errors
    if all(count > 0 and count == errors for count, errors in zip(runs.counts, failed, strict=True)):
        return [("all_failed", "every run of both releases failed; that they are equal says little")]
    return []
