"""A verdict as text, for terminals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from click import style

from flightdeck.models.verdict import Status
from flightdeck.presentation.judged import Judged, Row, drivers, method, more_runs, one_line, rows

_COLOURS: dict[Status, str] = {"PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow", "NODATA": "magenta"}
_HEAD = ("", "", "baseline", "candidate", "change (limits)", "margin", "runs")
_GAP = "  "


def text(judged: Judged, *, colour: bool = False) -> str:
    """The lines of a verdict, joined; no line end after the last one.

    Args:
        judged: what to tell of.
        colour: paints the four words of a status with a terminal's escape codes.
    """
    return "\n".join(_lines(judged, colour))


def _lines(judged: Judged, colour: bool) -> Iterator[str]:
    verdict = judged.verdict
    how = method(verdict)
    yield f"Verdict: {_painted(verdict.status, colour)}{f' ({how})' if how else ''}"
    for reason in verdict.reasons:
        yield f"- {one_line(reason.message)}"
    if waits := more_runs(verdict):
        yield f"To decide: {waits}"
    for warning in verdict.warnings:
        yield f"WARNING ({warning.code}): {one_line(warning.message)}"
    if found := rows(verdict):
        yield ""
        yield from _table(found, colour)
    for metric, parts in drivers(judged.explanation):
        yield ""
        yield f"What moved {metric}:"
        for part in parts:
            yield f"- {one_line(part)}"


def _table(found: Sequence[Row], colour: bool) -> Iterator[str]:
    table = [_HEAD]
    table += [(row.status, row.name, row.baseline, row.candidate, row.change, row.margin, row.runs) for row in found]
    widths = [max(len(one_line(line[at])) for line in table) for at in range(len(_HEAD))]
    for number, line in enumerate(table):
        cells = [one_line(cell).ljust(width) for cell, width in zip(line, widths, strict=True)]
        if number:
            status = found[number - 1].status
            cells[0] = cells[0].replace(status, _painted(status, colour))
        yield _GAP.join(cells).rstrip()


def _painted(status: Status, colour: bool) -> str:
    return style(status, fg=_COLOURS[status], bold=True) if colour else status
