"""Time: whether both releases ran at the same time, and a layout that makes the hours of the day equal too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flightdeck.judge.cells import Cell, folded
from flightdeck.judge.comparison import compare
from flightdeck.judge.evidence import Arm, Evidence
from flightdeck.judge.guardrails import Layout
from flightdeck.judge.series import Frame, moments, series
from flightdeck.models.statistics import Statistics

WIDTHS = (1, 3, 6, 12, 24)
"""Hours of UTC time that are taken together; the narrowest with enough overlap counts."""
HOUR_S = 3_600.0


def arranged(evidence: Evidence, cells_of: str) -> Frame:
    """The cells or the hourly cells of both sides, merged, folded where they are too many, in a fixed order."""
    sides: list[tuple[Cell, ...]] = [getattr(arm, cells_of) for arm in evidence.arms]
    everything = [cell for side in sides for cell in side]
    return Frame.of(*(folded(side, everything) for side in sides))


def disjoint(evidence: Evidence) -> bool:
    """Whether the windows have no moment in common; unknown ones are taken to be the same."""
    windows = [arm.window() for arm in evidence.arms]
    if windows[0] is None or windows[1] is None:
        return False
    return max(windows[0][0], windows[1][0]) >= min(windows[0][1], windows[1][1])


def length_h(arms: Sequence[Arm], lag_s: float) -> float | None:
    """How long the longer window let runs start, in hours; None when a window is unknown."""
    lengths = []
    for arm in arms:
        window = arm.window()
        if window is None:
            return None
        lengths.append(((window[1] - window[0]).total_seconds() - lag_s) / HOUR_S)
    return max(0.0, *lengths)


@dataclass(frozen=True, slots=True)
class Hours:
    """The layout by hours, if there is one with enough overlap."""

    layout: Layout | None
    width: int | None = None

    @classmethod
    def of(cls, evidence: Evidence, statistics: Statistics) -> Hours:
        """The narrowest that the evidence has and in which both sides have runs."""
        if not all(arm.hourly for arm in evidence.arms):
            return cls(None)
        frame = arranged(evidence, "hourly")
        runs = series(frame, moments(frame, "error_rate", evidence.tariff))
        for width in WIDTHS:
            if width % evidence.hour_width:
                continue
            layout = Layout(frame, statistics, width)
            strata, _ = layout.strata(frame, layout.scope(runs))
            found = compare(runs, strata, statistics.min_stratum_runs)
            if found is not None and layout.overlap(found) >= statistics.min_overlap - 1e-12:
                return cls(layout, width)
        return cls(None)
