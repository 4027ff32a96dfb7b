"""Which calls are layers of one another.

Several layers of instrumentation report one call: nested in one another, or side by side where a layer sets no
current context. The innermost layer stands for the call.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from heapq import heappop, heappush

from flightdeck.otel.dialects import INFERRED_PROVIDERS, MODEL_PREFIXES
from flightdeck.otel.kinds import ACTORS, Kind
from flightdeck.otel.nearest import Budget, Intervals
from flightdeck.otel.parts import Part
from flightdeck.otel.spans import Span

GRACE_NS = 5_000_000
"""How much later than the outer layer an inner one may end."""
_MOST_LOOKS = 1_500_000
"""How often calls of one kind in one run are looked at in the search for layers side by side; then those are matched
that were found. A run of 10,000 calls in two layers needs a quarter of it; all of it is a second or two."""
_MOST_LAYERS = 64
"""So many nested layers of one call are told from those side by side."""

_BETWEEN = ACTORS | {Kind.TOOL.value}


class Call:
    """A call with usage, as read and then as filled in from layers above."""

    __slots__ = (
        "cached",
        "creation",
        "end",
        "exceeds",
        "input",
        "input_as_read",
        "model",
        "output",
        "place",
        "provider",
        "reasoning",
        "responded",
        "span",
        "start",
    )

    def __init__(self, place: int, span: Span) -> None:
        self.place = place
        self.span = span
        self.start = span.start_ns
        self.end = max(span.start_ns, span.end_ns)
        self.provider, self.model, self.responded = _named(span.provider, span.response_model, span.model)
        self.input_as_read = span.input
        self.input = span.input or 0
        self.cached = span.cached or 0
        self.creation = span.creation or 0
        self.output = span.output or 0
        self.reasoning = span.reasoning or 0
        self.exceeds = self.cached + self.creation > self.input
        if self.exceeds:
            self.input += self.cached + self.creation


@lru_cache(maxsize=4096)
def _named(provider: str, response_model: str, model: str) -> tuple[str, str, bool]:
    """Provider and model as a run names them, and whether a response named the model."""
    name = response_model or model
    if name.startswith(MODEL_PREFIXES):
        name = name.partition("/")[2]
    if not provider:
        provider = next((whose for start, whose in INFERRED_PROVIDERS if re.match(start, name)), "")
    return provider, name, bool(response_model)


# --- layers above one another -------------------------------------------------------------------------


def _nearest_above(part: Part, kind: str, marked: Iterable[int]) -> list[int]:
    """For each span the nearest marked span of a kind above it with no tool or actor between; -1 for none."""
    kinds, parent = part.kinds, part.parent
    is_marked = bytearray(len(kinds))
    for place in marked:
        is_marked[place] = kinds[place] == kind
    nearest = [-1] * len(kinds)
    for place in part.order:
        above = parent[place]
        if above >= 0:
            if is_marked[above]:
                nearest[place] = above
            elif kinds[above] not in _BETWEEN:
                nearest[place] = nearest[above]
    return nearest


def nested(part: Part, owner: Sequence[int], with_usage: Sequence[Sequence[Call]]) -> dict[int, list[int]]:
    """For each call that has calls of its kind below it, of the same run and with no tool or actor between: these."""
    by_kind: dict[str, list[int]] = defaultdict(list)
    for calls in with_usage:
        if len(calls) > 1:
            for call in calls:
                by_kind[call.span.kind].append(call.place)
    below: dict[int, list[int]] = {}
    for kind, places in by_kind.items():
        if len(places) > 1:
            nearest = _nearest_above(part, kind, places)
            for place in places:
                above = nearest[place]
                if above >= 0 and owner[above] == owner[place]:
                    below.setdefault(above, []).append(place)
    return below


def not_layers(part: Part, owner: Sequence[int], unknown: Sequence[int], counted: Sequence[int]) -> list[int]:
    """Of calls without usage those that are no layer of a counted call: none of its kind is above or below them."""
    layers: set[int] = set()
    for kind in {part.kinds[place] for place in unknown}:
        nearest_counted = _nearest_above(part, kind, counted)
        nearest_unknown = _nearest_above(part, kind, unknown)
        layers.update(p for p in unknown if nearest_counted[p] >= 0 and owner[nearest_counted[p]] == owner[p])
        passed: set[int] = set()
        for place in counted:
            if part.kinds[place] == kind:
                above = nearest_unknown[place]
                while above >= 0 and above not in passed and owner[above] == owner[place]:
                    passed.add(above)
                    above = nearest_unknown[above]
        layers |= passed
    return [place for place in unknown if place not in layers]


# --- layers side by side ------------------------------------------------------------------------------


Layers = dict[str, int]
"""The layers of one call: by scope the place of the call that counts for it there."""


def nested_layers(calls: list[Call], dropped: dict[int, list[int]]) -> dict[int, Layers]:
    """For each innermost call its layers that are above one another."""
    scopes = {call.place: call.span.scope for call in calls}
    above = {inner: outer for outer, inner_places in dropped.items() for inner in inner_places}
    found: dict[int, Layers] = {}
    for call in calls:
        if call.place not in dropped:
            layers = found[call.place] = {call.span.scope: call.place}
            place = above.get(call.place, -1)
            for _ in range(_MOST_LAYERS):
                if place < 0:
                    break
                layers[scopes[place]] = call.place
                place = above.get(place, -1)
    return found


def side_by_side(calls: list[Call], layers: dict[int, Layers]) -> list[tuple[Call, Call]]:
    """Pairs (outer, inner) of one call in two layers, among calls of one kind in order; the nearest first.

    A call is dropped once at most and stands in for one other at most; one that stands in may itself be dropped. No
    two layers of one call have the same scope: parallel identical calls are real.
    """
    alike = _Alike(calls)
    by_place = {call.place: call for call in calls}
    budget = Budget(_MOST_LOOKS)
    # For every call the nearest one within it: at the time of the search, which is looked at again when its turn comes.
    waiting: list[tuple[int, int, int]] = []

    def search(outer: Call) -> None:
        found = alike.nearest(outer, layers, budget)
        if found is not None:
            heappush(waiting, (found[0], outer.place, found[1].place))

    for call in calls:
        search(call)
    matched: list[tuple[Call, Call]] = []
    standing_in: set[int] = set()
    while waiting:
        _, outer_place, inner_place = heappop(waiting)
        outer, inner = by_place[outer_place], by_place[inner_place]
        fewer, more = sorted((layers[outer_place], layers[inner_place]), key=len)
        if inner_place in standing_in or not fewer.keys().isdisjoint(more):
            search(outer)
            continue
        standing_in.add(inner_place)
        alike.remove(inner)
        matched.append((outer, inner))
        more |= fewer
        layers.update(dict.fromkeys(fewer.values(), more))
    return matched


class _Alike:
    """Calls by what makes two of them alike: equal response ids or, when one has none, equal input; each by scope."""

    def __init__(self, calls: Iterable[Call]) -> None:
        groups: defaultdict[tuple[str, str | int], defaultdict[str, list[Call]]]
        groups = defaultdict(lambda: defaultdict(list))
        for call in calls:
            for name in self._names(call):
                groups[name][call.span.scope].append(call)
        self._groups = {
            name: {scope: Intervals(some) for scope, some in by_scope.items()}
            for name, by_scope in groups.items()
            if len(by_scope) > 1 or name[0] == "without id"
        }

    @staticmethod
    def _names(call: Call) -> Iterator[tuple[str, str | int]]:
        """The groups that a call is in."""
        if call.span.response_id:
            yield "id", call.span.response_id
        elif call.input_as_read is not None:
            yield "without id", call.input_as_read
        if call.input_as_read is not None:
            yield "input", call.input_as_read

    @staticmethod
    def _others(call: Call) -> Iterator[tuple[str, str | int]]:
        """The groups that those alike are in."""
        if call.span.response_id:
            yield "id", call.span.response_id
        if call.input_as_read is not None:
            yield "without id" if call.span.response_id else "input", call.input_as_read

    def remove(self, call: Call) -> None:
        """Takes a call out: it stands in for another."""
        for name in self._names(call):
            if name in self._groups:
                self._groups[name][call.span.scope].remove(call)

    def nearest(self, outer: Call, layers: dict[int, Layers], budget: Budget) -> tuple[int, Call] | None:
        """The nearest call within another that is no layer of it yet and may be one, and how far it is away."""
        known = layers[outer.place]

        def fits(inner: Call) -> bool:
            return known.keys().isdisjoint(layers[inner.place])

        best: tuple[int, Call] | None = None
        for name in self._others(outer):
            for scope, some in self._groups.get(name, {}).items():
                budget.left -= 1
                if budget.left < 0:
                    return best
                if scope not in known:
                    found = some.nearest(outer, GRACE_NS, fits, budget)
                    if found and (best is None or (found[0], found[1].place) < (best[0], best[1].place)):
                        best = found
        return best
