"""Of many intervals of time the nearest one within another, without looking at all of them.

An interval is a point: its start and its end. The points are divided in halves, by starts and by ends in turn (a k-d
tree), until few are left; a search leaves out every box of points that is farther than what it has found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Generic, Protocol, TypeVar

_FEW = 8


class Interval(Protocol):
    """What is searched: it has a place of its own, which decides between equally near ones."""

    place: int
    start: int
    end: int


Some = TypeVar("Some", bound=Interval)


class Budget:
    """How many more intervals and boxes may be looked at."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class _Box(Generic[Some]):
    """Intervals that are near one another; ``first`` and ``last`` are their places, ``live`` how many are left."""

    __slots__ = (
        "above",
        "first",
        "halves",
        "high_end",
        "high_start",
        "intervals",
        "last",
        "live",
        "low_end",
        "low_start",
    )

    def __init__(self, intervals: list[Some], above: _Box[Some] | None, *, by_end: bool) -> None:
        starts, ends = [each.start for each in intervals], [each.end for each in intervals]
        self.low_start, self.high_start = min(starts), max(starts)
        self.low_end, self.high_end = min(ends), max(ends)
        places = [each.place for each in intervals]
        self.first, self.last = min(places), max(places)
        self.live = len(intervals)
        self.above = above
        self.halves: tuple[_Box[Some], ...] = ()
        self.intervals = intervals
        if len(intervals) > _FEW:
            ordered = sorted(intervals, key=_BY_END if by_end else _BY_START)
            middle = len(ordered) // 2
            self.intervals = []
            self.halves = tuple(_Box(half, self, by_end=not by_end) for half in (ordered[:middle], ordered[middle:]))

    def distance(self, start: int, end: int) -> int:
        """How near an interval in it can be at least."""
        before = self.low_start - start if self.low_start > start else 0
        if end > self.high_end:
            return before + end - self.high_end
        return before + self.low_end - end if self.low_end > end else before


_BY_START, _BY_END = attrgetter("start", "place"), attrgetter("end", "place")


class Intervals(Generic[Some]):
    """A set of intervals, from which some are taken over time."""

    def __init__(self, intervals: Sequence[Some]) -> None:
        self._root: _Box[Some] = _Box(list(intervals), None, by_end=False)
        self._boxes: dict[int, _Box[Some]] = {}
        waiting = [self._root]
        while waiting:
            box = waiting.pop()
            waiting += box.halves
            self._boxes |= dict.fromkeys((each.place for each in box.intervals), box)

    def remove(self, interval: Some) -> None:
        """Takes an interval out for good."""
        box: _Box[Some] | None = self._boxes.pop(interval.place)
        if box is not None:
            box.intervals.remove(interval)
        while box is not None:
            box.live -= 1
            box = box.above

    def nearest(self, outer: Some, grace: int, fits: Callable[[Some], bool], budget: Budget) -> tuple[int, Some] | None:
        """The nearest interval within another, and how far it is away: the sum of what start and end are.

        It may end later by ``grace``; but of two that start together the one that ends earlier is within the other, of
        two that are equal the one with the larger place. Of equally near ones it is the one with the smaller place.
        None if none fits, or the budget is spent.
        """
        start, end, last = outer.start, outer.end, outer.end + grace
        found: Some | None = None
        nearest: tuple[float, float] = (float("inf"), 0)
        waiting = [self._root]
        while waiting and budget.left > 0:
            box = waiting.pop()
            budget.left -= 1
            if not box.live or box.high_start < start or box.low_end > last:
                continue
            if box.high_start == start and (box.low_end, -box.last) >= (end, -outer.place):
                continue
            if (box.distance(start, end), box.first) > nearest:
                continue
            if box.halves:
                one, other = box.halves
                nearer_last = one.distance(start, end) <= other.distance(start, end)
                waiting += (other, one) if nearer_last else (one, other)
                continue
            budget.left -= len(box.intervals)
            for each in box.intervals:
                if each.start >= start and each.end <= last:
                    if each.start == start and (each.end, -each.place) >= (end, -outer.place):
                        continue
                    key = (each.start - start + abs(end - each.end), each.place)
                    if key < nearest and fits(each):
                        found, nearest = each, key
        return None if found is None else (int(nearest[0]), found)
