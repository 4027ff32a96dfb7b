"""Decisions: all guardrails and limits together, from their p-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flightdeck.judge.bounds import Bound
from flightdeck.judge.guardrails import Assessment
from flightdeck.judge.holm import holm
from flightdeck.judge.outcome import Test
from flightdeck.models.verdict import RunsNeeded, Status, VerdictReason

CLEAR: tuple[Status, ...] = ("PASS", "FAIL")
"""Statuses that more runs would only confirm or take back."""


@dataclass(frozen=True, slots=True)
class ByHour:
    """What a guardrail shows when stretches of ``width`` hours of UTC time are compared with one another.

    ``without`` is the status that it had without that, and that was taken back.
    """

    own: Assessment
    status: Status
    width: int
    without: Status


@dataclass(slots=True)
class Decided:
    """A guardrail with its status, and why it is that; ``by_hour`` where the hours took its status back."""

    own: Assessment
    status: Status
    p_fail_adjusted: float | None = None
    mde: float | None = None
    needed: RunsNeeded = field(default_factory=RunsNeeded)
    reasons: list[VerdictReason] = field(default_factory=list)
    by_hour: ByHour | None = None

    def because(self, code: str, message: str) -> None:
        """Adds a reason."""
        metric = self.own.guardrail.metric
        self.reasons.append(VerdictReason(code=code, metric=metric, name=self.own.name, message=message))


@dataclass(frozen=True, slots=True)
class Together:
    """Every guardrail and limit, decided; the limits carry their own status."""

    guardrails: list[Decided]
    limits: list[Bound]

    @property
    def tests(self) -> int:
        """How many p-values there are."""
        return sum(1 for one in self.guardrails if one.own.decidable) + sum(
            1 for bound in self.limits if bound.test is not None
        )


def _with_p(limits: Sequence[Bound]) -> int:
    return sum(1 for bound in limits if bound.test is not None)


def decide(assessments: Sequence[Assessment], limits: Sequence[Bound], alpha: float) -> list[Decided]:
    """Decides; also writes the limits' status.

    For PASS every harm must be shown to be below its margin, so nothing is corrected; for FAIL one above it is enough,
    so those p-values are corrected.
    """
    tests = [test for own in assessments if (test := test_of(own)) is not None]
    tests += [bound.test for bound in limits if bound.test is not None]
    adjusted = iter(holm([test.p_fail for test in tests]))
    decided = []
    for own in assessments:
        test = test_of(own)
        if test is None:
            status: Status = "NODATA" if own.problem == "no_metric_data" else "INCONCLUSIVE"
            decided.append(Decided(own, status))
            continue
        p = next(adjusted)
        decided.append(Decided(own, _outcome(test, p, alpha), p))
    for bound in limits:
        if bound.test is not None:
            bound.p_fail_adjusted = next(adjusted)
            bound.status = _outcome(bound.test, bound.p_fail_adjusted, alpha)
    return decided


def test_of(own: Assessment) -> Test | None:
    """Its test, where it can be decided."""
    return own.outcome.test if own.decidable and own.outcome is not None else None


def _outcome(test: Test, p_fail_adjusted: float, alpha: float) -> Status:
    if p_fail_adjusted < alpha:
        return "FAIL"
    return "PASS" if test.p_pass < alpha else "INCONCLUSIVE"
