"""A verdict as annotations of a GitHub Actions job: workflow commands, one a line, that its log turns into notes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Literal

from flightdeck.judge.gate import status_of
from flightdeck.models.verdict import Status
from flightdeck.presentation.judged import Judged, more_runs

Level = Literal["error", "warning", "notice"]
MOST = 9
"""Reasons and warnings that are annotated; a step shows ten of each level at most, and one is the summary."""

_LEVELS: dict[Status, Level] = {"PASS": "notice", "FAIL": "error", "INCONCLUSIVE": "warning", "NODATA": "error"}


def annotated(judged: Judged) -> str:
    """The lines; no line end after the last one."""
    return "\n".join(_lines(judged))


def _lines(judged: Judged) -> Iterator[str]:
    verdict = judged.verdict
    level = _LEVELS[verdict.status]
    summary = f"{judged.candidate} against {judged.baseline}: {verdict.status}"
    if waits := more_runs(verdict):
        summary += f", {waits}"
    yield command(level, f"FlightDeck: {verdict.status}", summary)
    for reason in islice(verdict.reasons, MOST):
        undecided = "warning" if verdict.status == "FAIL" else level
        own = "error" if status_of(reason, verdict) == "FAIL" else undecided
        yield command(own, f"FlightDeck: {reason.name or reason.metric or reason.code}", reason.message)
    if judged.policy is not None and not judged.policy.passed:
        for message in islice(judged.blocked_by_others, MOST):
            yield command("error", "FlightDeck: policy", message)
    for warning in islice(verdict.warnings, MOST):
        yield command("notice", f"FlightDeck: {warning.code}", warning.message)


def command(level: Level, title: str, message: str) -> str:
    r"""One workflow command. Whatever the texts hold, it is one line and says nothing else to the runner.

    >>> command("error", "a: b", "50 %\n::stop")
    '::error title=a%3A b::50 %25%0A::stop'
    """
    escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    named = title.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A").replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={named}::{escaped}"
