"""Which calls are layers of one another.

Several layers of instrumentation report one call: nested in one another, or side by side where a layer sets no
current context. The innermost layer stands for the call.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import attrgetter

from flightdeck.otel.parts import Part
from flightdeck.otel.semconv import ACTORS, INFERRED_PROVIDERS, MODEL_PREFIXES, Kind
from flightdeck.otel.spans import Span

GRACE_NS = 5_000_000
"""How much later than the outer layer an inner one may end."""
_MOST_CANDIDATES = 300_000
_LEAST_CANDIDATES = 64
"""How many calls are looked at as the inner layer of one call: the first number over all, the second at least. More
only come up when hundreds of parallel calls without response ids have the same input."""
_MOST_LAYERS = 64
"""So many nested layers of one call are told from those side by side."""

_BETWEEN = ACTORS | {Kind.TOOL.value}
_start = attrgetter("start")


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
    pairs = _candidates(calls)
    pairs.sort(key=lambda pair: (_distance(*pair), pair[0].place, pair[1].place))
    matched: list[tuple[Call, Call]] = []
    dropped: set[int] = set()
    standing_in: set[int] = set()
    for outer, inner in pairs:
        if outer.place in dropped or inner.place in standing_in:
            continue
        fewer, more = sorted((layers[outer.place], layers[inner.place]), key=len)
        if fewer.keys().isdisjoint(more):
            dropped.add(outer.place)
            standing_in.add(inner.place)
            matched.append((outer, inner))
            more |= fewer
            layers.update(dict.fromkeys(fewer.values(), more))
    return matched


def _distance(outer: Call, inner: Call) -> int:
    return inner.start - outer.start + abs(outer.end - inner.end)


_ByScope = dict[str, list[Call]]


def _candidates(calls: list[Call]) -> list[tuple[Call, Call]]:
    """Pairs that may be one call: of different scopes, the inner within the outer, with equal ids or equal input."""
    with_id: defaultdict[str, _ByScope] = defaultdict(lambda: defaultdict(list))
    without_id: defaultdict[int, _ByScope] = defaultdict(lambda: defaultdict(list))
    with_input: defaultdict[int, _ByScope] = defaultdict(lambda: defaultdict(list))
    for call in calls:
        scope, response_id, tokens = call.span.scope, call.span.response_id, call.input_as_read
        if response_id:
            with_id[response_id][scope].append(call)
        elif tokens is not None:
            without_id[tokens][scope].append(call)
        if tokens is not None:
            with_input[tokens][scope].append(call)
    found: list[tuple[Call, Call]] = []
    most = max(_LEAST_CANDIDATES, _MOST_CANDIDATES // len(calls))
    for outer in calls:
        response_id, tokens = outer.span.response_id, outer.input_as_read
        groups = [with_id[response_id]] if response_id else []
        if tokens is not None:
            groups.append(without_id[tokens] if response_id else with_input[tokens])
        found += _inner_candidates(outer, groups, most)
    return found


def _inner_candidates(outer: Call, groups: list[_ByScope], most: int) -> list[tuple[Call, Call]]:
    """The pairs of one outer call with those within it; looks at no more than ``most`` calls and scopes."""
    found: list[tuple[Call, Call]] = []
    last = outer.end + GRACE_NS
    for group in groups:
        for scope, others in group.items():
            most -= 1
            if scope != outer.span.scope:
                for place in range(bisect_left(others, outer.start, key=_start), len(others)):
                    inner = others[place]
                    most -= 1
                    if inner.start > last or most < 0:
                        break
                    if inner.end <= last and not _kept_instead(outer, inner):
                        found.append((outer, inner))
            if most < 0:
                return found
    return found


def _kept_instead(outer: Call, inner: Call) -> bool:
    """Whether two calls lie within each other and the outer one is to be kept."""
    if outer.start < inner.start or outer.end > inner.end + GRACE_NS:
        return False
    return (-outer.end, outer.span.span_id) > (-inner.end, inner.span.span_id)
