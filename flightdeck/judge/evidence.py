"""Evidence: all that a verdict rests on, apart from the policy. Kept with every decision, so it can be judged again.

As JSON it is one object; cells and bins are tables (names of the columns, then rows), integers keep every digit, and
floats come back to the bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from flightdeck.errors import Invalid, TooLarge
from flightdeck.judge.cells import Bin, Cell, CellCost, Moments

MOST_CELLS = 2_000_000
"""Cells and bins that a file may hold."""

FORMAT = "flightdeck-evidence/1"


@dataclass(frozen=True, slots=True)
class Arm:
    """One release's part.

    Attributes:
        release_id: whose runs these are.
        cells: its finished runs that *started* in ``[since, until - lag)`` and had ended before ``until``.
        hourly: the same runs, divided by the UTC hour of their start too; empty when time is not looked at.
        histograms: by metric (latency_ms, tokens_per_run) and tenant, and by task where quantiles are to be made equal
            in the mix of tasks; only those that the policy asks for.
        open_runs: runs that started in the window and have not finished.
        left_out: runs whose value could not be one (infinite, or a negative cost), left out of that metric's sums.
        since: the window's beginning, ISO 8601; None when unknown.
        until: its end.
    """

    release_id: str
    cells: tuple[Cell, ...]
    hourly: tuple[Cell, ...] = ()
    histograms: tuple[tuple[str, tuple[Bin, ...]], ...] = ()
    open_runs: int = 0
    left_out: int = 0
    since: str | None = None
    until: str | None = None

    def histogram(self, metric: str) -> tuple[Bin, ...]:
        """The bins of a metric; empty when they were not asked for."""
        return dict(self.histograms).get(metric, ())

    def window(self) -> tuple[datetime, datetime] | None:
        """``[since, until)``."""
        if self.since is None or self.until is None:
            return None
        return _moment(self.since), _moment(self.until)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Both releases' runs in cells.

    Attributes:
        baseline: what is now in use.
        candidate: what may take its place.
        as_of: when the store was asked, ISO 8601.
        tariff: the position in ``Cell.costs`` of the one tariff that prices both sides.
        hour_width: the hours that one ``hour`` of the hourly cells stands for (1, or a wider stretch for long windows).
        looks: verdicts that were recorded for this pair before.
        other_tasks: tasks that were folded into one stratum.
        other_tenants: tenants that were folded into clusters.
    """

    baseline: Arm
    candidate: Arm
    as_of: str
    tariff: int = 0
    hour_width: int = 1
    looks: int = 0
    other_tasks: int = 0
    other_tenants: int = 0

    @property
    def arms(self) -> tuple[Arm, Arm]:
        """Baseline, candidate."""
        return self.baseline, self.candidate

    def to_json(self) -> str:
        """One line of JSON.

        Raises:
            Invalid: a sum is infinite or no number; JSON has no word for it.
        """
        document = {"format": FORMAT, **_plain(self)}
        document |= {name: _arm(arm) for name, arm in (("baseline", self.baseline), ("candidate", self.candidate))}
        try:
            return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        except ValueError as error:
            raise Invalid("evidence holds a sum that is not a number", hint="Leave such values out.") from error

    @classmethod
    def from_json(cls, text: str | bytes) -> Evidence:
        """Reads what ``to_json`` wrote.

        Raises:
            Invalid: it is something else.
            TooLarge: more cells and bins than ``MOST_CELLS``.
        """
        try:
            document = json.loads(text)
            if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
                raise Invalid("this is not evidence of a verdict", hint=f'Its "format" must be "{FORMAT}".')
            baseline, candidate = (_read_arm(document.pop(side)) for side in ("baseline", "candidate"))
            return _checked(cls(baseline=baseline, candidate=candidate, **document))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Invalid(f"evidence can't be read: {error}") from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


# --- JSON ---------------------------------------------------------------------------------------------

_CELL = [field.name for field in fields(Cell)]
_BIN = [field.name for field in fields(Bin)]
_NESTED = ("cells", "hourly", "histograms", "baseline", "candidate")


def _plain(record: Arm | Evidence) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record) if field.name not in _NESTED}


_CELL_ROW, _BIN_ROW = attrgetter(*_CELL), attrgetter(*_BIN)
_COST_ROW = attrgetter(*(field.name for field in fields(CellCost)))
_MOMENTS_ROW = attrgetter(*(field.name for field in fields(Moments)))
_COSTS, _SCORES = _CELL.index("costs"), _CELL.index("scores")
_SERIES = (_CELL.index("tokens"), _CELL.index("tools"))


def _row(cell: Cell) -> list[Any]:
    row = list(_CELL_ROW(cell))
    row[_COSTS] = [_COST_ROW(cost) for cost in cell.costs]
    row[_SCORES] = [(name, _MOMENTS_ROW(score)) for name, score in cell.scores]
    for at in _SERIES:
        row[at] = None if row[at] is None else _MOMENTS_ROW(row[at])
    return row


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        **_plain(arm),
        "cells": {"columns": _CELL, "rows": [_row(cell) for cell in arm.cells]},
        "hourly": {"columns": _CELL, "rows": [_row(cell) for cell in arm.hourly]},
        "histograms": {
            metric: {"columns": _BIN, "rows": [_BIN_ROW(one) for one in bins]} for metric, bins in arm.histograms
        },
    }


def _read_arm(document: Mapping[str, Any]) -> Arm:
    rest = {name: value for name, value in document.items() if name not in _NESTED}
    return Arm(
        cells=tuple(_read_cell(row) for row in _rows(document["cells"])),
        hourly=tuple(_read_cell(row) for row in _rows(document["hourly"])),
        histograms=tuple(
            (metric, tuple(Bin(**row) for row in _rows(table))) for metric, table in document["histograms"].items()
        ),
        **rest,
    )


_MOST_COUNT = 2**256
"""Beyond any sum of squares that the store can hold."""
_MOST_HOUR = 10**7
_TEXT = ("release_id", "task_id", "tenant_id")
_FLOATS = ("latency_logs", "latency_log_squares", "latency_cubes")


def _checked(evidence: Evidence) -> Evidence:
    """Raises ValueError where a value is not what its name says: a file may hold anything."""
    counts: list[Any] = [evidence.tariff, evidence.looks, evidence.other_tasks, evidence.other_tenants]
    texts: list[Any] = [evidence.as_of]
    if evidence.hour_width not in {1, 3, 6, 12, 24}:
        raise ValueError("hour_width is 1, 3, 6, 12 or 24")
    tariffs = {len(cell.costs) for arm in evidence.arms for cell in (*arm.cells, *arm.hourly)}
    if len(tariffs) > 1:
        raise ValueError("cells differ in their number of costs")
    for arm in evidence.arms:
        arm.window()
        counts += [arm.open_runs, arm.left_out]
        texts.append(arm.release_id)
        for cell in (*arm.cells, *arm.hourly):
            _check_cell(cell)
        for _, bins in arm.histograms:
            for one in bins:
                counts += [one.runs, abs(one.bin)]
                texts += [one.release_id, one.tenant_id, one.task_id]
    _all_counts(counts)
    _all_texts(texts)
    return evidence


_CELL_COUNTS = attrgetter(*(name for name in _CELL[: _CELL.index("costs")] if name not in {*_TEXT, *_FLOATS}))
_CELL_TEXTS, _CELL_FLOATS = attrgetter(*_TEXT), attrgetter(*_FLOATS)


def _check_cell(cell: Cell) -> None:
    _all_texts(_CELL_TEXTS(cell))
    _all_counts(_CELL_COUNTS(cell))
    numbers = list(_CELL_FLOATS(cell))
    for cost in cell.costs:
        _all_counts([cost.unpriced, cost.total, cost.squares, *_known(cost.successes, cost.success_total, cost.most)])
        numbers += _known(cost.cubes)
    for one in (*_known(cell.tokens, cell.tools), *(score for _, score in cell.scores)):
        _all_counts([one.n])
        numbers += [one.total, one.squares, *_known(one.cubes, one.most, one.logs, one.log_squares)]
    if not all(isinstance(number, int | float) for number in numbers):
        raise ValueError("a sum is not a number")
    if cell.hour is not None and not (isinstance(cell.hour, int) and abs(cell.hour) <= _MOST_HOUR):
        raise ValueError("an hour is a whole number of hours since 1970")


def _known(*values: Any) -> list[Any]:  # noqa: ANN401 - of any kind
    return [value for value in values if value is not None]


def _all_counts(values: Sequence[Any]) -> None:
    for value in values:
        if type(value) is not int or not 0 <= value < _MOST_COUNT:
            raise ValueError(f"not a count: {str(value)[:50]!r}")


def _all_texts(values: Sequence[Any]) -> None:
    for value in values:
        if not isinstance(value, str):
            raise ValueError(f"not a text: {str(value)[:50]!r}")  # noqa: TRY004 - one kind of error for bad files


def _rows(table: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    if len(table["rows"]) > MOST_CELLS:
        raise TooLarge(f"evidence has more than {MOST_CELLS:,} rows", hint="Choose a shorter window or wider hours.")
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


def _read_cell(row: dict[str, Any]) -> Cell:
    row["costs"] = tuple(CellCost(*cost) for cost in row["costs"])
    row["scores"] = tuple((name, Moments(*score)) for name, score in row["scores"])
    for name in ("tokens", "tools"):
        row[name] = None if row[name] is None else Moments(*row[name])
    return Cell(**row)
