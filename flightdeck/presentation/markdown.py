"""A verdict as GitHub-flavoured markdown: a comment on a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flightdeck.presentation.judged import Judged, drivers, method, more_runs, one_line, rows

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~])")
_REFERENCE = re.compile(r"([@#])")
_APART = "\u200b"
"""Keeps "@name" and "#1" from becoming a mention or a link: names of tasks and tenants may be anybody's."""
_WORDS = {
    "PASS": "the candidate is shown to be within all margins",
    "FAIL": "the candidate is shown to be worse than a margin allows",
    "INCONCLUSIVE": "neither is shown yet",
    "NODATA": "there is no evidence",
}


def markdown(judged: Judged) -> str:
    """The comment; no line end after the last line."""
    return "\n".join(_lines(judged))


def escaped(said: str) -> str:
    """Text that means itself: on one line, without markup, mentions and references."""
    return _REFERENCE.sub(rf"\1{_APART}", _SPECIAL.sub(r"\\\1", one_line(said).replace("&", "&amp;")))


def _lines(judged: Judged) -> Iterator[str]:
    verdict = judged.verdict
    yield f"### FlightDeck: {verdict.status}"
    yield ""
    where = f" in {escaped(judged.environment)}" if judged.environment else ""
    window = f", {escaped(judged.window)}" if judged.window else ""
    yield (
        f"{escaped(judged.candidate)} against {escaped(judged.baseline)}{where}{window}: **{_WORDS[verdict.status]}**."
    )
    if verdict.reasons:
        yield ""
        for reason in verdict.reasons:
            yield f"- {escaped(reason.message)}"
    if waits := more_runs(verdict):
        yield ""
        yield f"To decide: {escaped(waits)}."
    yield from _policy(judged)
    yield from _guardrails(judged)
    yield from _explanation(judged)
    if verdict.warnings:
        yield ""
        for warning in verdict.warnings:
            yield f"- **{escaped(warning.code)}**: {escaped(warning.message)}"
    if how := method(verdict):
        yield ""
        yield f"<sub>{escaped(how)}</sub>"


def _policy(judged: Judged) -> Iterator[str]:
    if judged.policy is None:
        return
    yield ""
    yield f"Policy: **{'PASS' if judged.policy.passed else 'FAIL'}**"
    if own := judged.blocked_by_others:
        yield ""
        for reason in own:
            yield f"- {escaped(reason)}"


def _guardrails(judged: Judged) -> Iterator[str]:
    found = rows(judged.verdict)
    if not found:
        return
    yield ""
    yield "| | | baseline | candidate | change (limits) | margin | runs |"
    yield "|---|---|--:|--:|--:|--:|--:|"
    for row in found:
        cells = (row.name, row.baseline, row.candidate, row.change, row.margin, row.runs)
        yield f"| **{row.status}** | {' | '.join(map(escaped, cells))} |"


def _explanation(judged: Judged) -> Iterator[str]:
    found = drivers(judged.explanation)
    if not found:
        return
    yield ""
    yield "<details><summary>What moved it</summary>"
    for metric, parts in found:
        yield ""
        yield escaped(metric)
        yield ""
        for part in parts:
            yield f"- {escaped(part)}"
    yield ""
    yield "</details>"
