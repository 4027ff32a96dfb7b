"""What every rendering says: a verdict, what it is about, and its guardrails in numbers for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from flightdeck.judge import quantities
from flightdeck.judge.gate import limits_reasons
from flightdeck.models import Diff, PolicyResult, Verdict, VerdictMetric
from flightdeck.models.explanation import Driver, DriverKind, Explanation
from flightdeck.models.verdict import Status, VerdictLimit, guardrail_name

UNKNOWN = "unknown"
MOST_EXAMPLES = 3

_SCOPES = {
    "tenants": "for tenants like these",
    "observed_tenants": "for these tenants only",
    "runs": "for runs like these",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate that was judged.

    Attributes:
        baseline: the release it was compared with.
        candidate: its release.
        environment: where the runs were.
        verdict: the judge's.
        policy: what blocks; None where nothing was to be decided.
        explanation: what contributes most, if somebody asked.
    """

    baseline: str
    candidate: str
    environment: str
    verdict: Verdict
    policy: PolicyResult | None = None
    explanation: Explanation | None = None

    @classmethod
    def of(cls, baseline: str, candidate: str, diff: Diff) -> Judged:
        """From the answer to a diff of two releases."""
        return cls(baseline, candidate, diff.filters.environment, diff.verdict, diff.policy, diff.explanation)

    @property
    def blocked_by_others(self) -> list[str]:
        """Why the policy blocks, apart from what the verdict itself says."""
        return [] if self.policy is None else limits_reasons(self.policy, self.verdict)

    @property
    def window(self) -> str:
        """The candidate's, ``since .. until``; "" when unknown."""
        time = self.verdict.time
        own = None if time is None else time.windows.candidate
        return "" if own is None else f"{own.since} .. {own.until}"


@dataclass(frozen=True, slots=True)
class Row:
    """A guardrail or limit in words. What is unknown is said to be; "" does not apply."""

    status: Status
    name: str
    baseline: str
    candidate: str
    change: str
    margin: str
    runs: str


def rows(verdict: Verdict) -> list[Row]:
    """Of all guardrails, then all limits."""
    return [*map(_guardrail, verdict.metrics), *map(_limit, verdict.limits)]


def method(verdict: Verdict) -> str:
    """How it was judged; "" where only limits were looked at."""
    if verdict.mode is None:
        return ""
    parts = [f"{verdict.mode} test"]
    if verdict.alpha is not None and verdict.power is not None:
        parts.append(f"alpha {100 * verdict.alpha:g} %, power {100 * verdict.power:g} %")
    if verdict.scope is not None:
        parts.append(_SCOPES[verdict.scope])
    if verdict.gate == "legacy":
        parts.append("advice: the policy decides by its limits")
    return ", ".join(parts)


def more_runs(verdict: Verdict) -> str:
    """What an undecided verdict waits for; "" where it is decided, or a reason says so already."""
    needed = verdict.runs_needed
    if verdict.status != "INCONCLUSIVE" or needed is None:
        return ""
    waits = quantities.more_runs(needed)
    return "" if any(reason.message.endswith(waits) for reason in verdict.reasons) else waits


def drivers(explanation: Explanation | None) -> list[tuple[str, list[str]]]:
    """By metric with its difference: of each kind (task, model, …) what contributes most, with runs to look at.

    Kinds are not ranked against each other: each tells of the same difference in its own way. The JSON has more.
    """
    found = []
    for one in explanation.metrics if explanation is not None else ():
        own = [driver for driver in one.drivers if driver.contribution]
        if one.difference is None or not own:
            continue
        of = quantities.unit_of_effect(one.unit, relative=False)
        kinds = [[driver for driver in own if driver.kind == kind] for kind in get_args(DriverKind)]
        most = [max(each, key=lambda driver: abs(driver.contribution)) for each in kinds if each]
        found.append((f"{one.metric} {signed(one.difference, of)}", [_driver(driver, of) for driver in most]))
    return found


def signed(number: float, of: str) -> str:
    """A change: with its sign, in its unit."""
    return f"{'+' if number > 0 else ''}{quantities.value(number, of)}"


def one_line(said: str) -> str:
    """Without line ends and escape codes: names of tasks and tenants may hold anything."""
    return "".join(character if character.isprintable() else " " for character in said)


def _driver(driver: Driver, of: str) -> str:
    share = "" if driver.share is None else f" ({quantities.value(driver.share, 'share')})"
    runs = driver.example_run_ids[:MOST_EXAMPLES]
    look = f"; for example {_listed(runs)}" if runs else ""
    kind = driver.kind.replace("_", " ")
    return f"{kind} {driver.name or 'without a name'}: {signed(driver.contribution, of)}{share}{look}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _guardrail(one: VerdictMetric) -> Row:
    relative = one.margin.relative is not None
    of = quantities.unit_of_effect(one.unit, relative=relative)
    effect = one.effect_relative if relative else one.effect_absolute
    margin = one.margin.relative if one.margin.relative is not None else one.margin.absolute
    change = UNKNOWN
    if effect.estimate is not None:
        change = f"{signed(effect.estimate, of)} ({quantities.range_of(effect.low, effect.high, of)})"
    return Row(
        status=one.status,
        name=guardrail_name(one.name, one.estimand),
        baseline=_known(one.baseline, one.unit),
        candidate=_known(one.candidate, one.unit),
        change=change,
        margin=_known(margin, of),
        runs=f"{one.n_baseline:,} / {one.n_candidate:,}",
    )


def _limit(one: VerdictLimit) -> Row:
    candidate = UNKNOWN
    if one.candidate is not None:
        range_ = quantities.range_of(one.low, one.high, one.unit)
        candidate = f"{quantities.value(one.candidate, one.unit)} ({range_})"
    return Row(
        status=one.status,
        name=one.name,
        baseline="",
        candidate=candidate,
        change="",
        margin=f"at most {quantities.value(one.limit, one.unit)}",
        runs=f"{one.n:,}",
    )


def _known(number: float | None, of: str) -> str:
    return UNKNOWN if number is None else quantities.value(number, of)
