"""Parts of a trace, their trees, and which spans are runs.

A *part* is made of the spans of one trace whose resources name the same release, service and version; what lies
beyond is another process's business. Everything here works on indices into ``Part.spans``, which are in order of
(start, span id), and never recurses: depth is input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from operator import attrgetter

from flightdeck.otel.kinds import ACTORS, GENERATIVE, Kind
from flightdeck.otel.spans import Span

_CHAIN = Kind.CHAIN.value
_chronological = attrgetter("start_ns", "span_id")
_flagged = attrgetter("run")
_part_key: Callable[[Span], tuple[str, str, str]] = attrgetter("resource_release_id", "service_name", "service_version")
_LANDED = [field.name for field in fields(Span)].index("landed_us")


@dataclass(slots=True)
class Part:
    """The spans of a part that are assembled, as a tree.

    ``parent`` holds indices, -1 for a span whose parent is absent, remote, of another part, or should be stored and is
    not. ``order`` has every index once, parents first. Links that form a cycle are cut above its first span, which
    then has no parent. ``root`` is the one span without a parent, above all others; -1 if there are several.
    ``orphans`` are the spans whose parent should be stored and is not, also those beyond the limit.
    """

    spans: list[Span]
    kinds: list[str]
    parent: list[int]
    order: Sequence[int]
    root: int
    orphans: list[Span]
    truncated: bool

    @property
    def closed(self) -> bool:
        """Whether every span's parent is absent, remote, in another part, or stored."""
        return not self.orphans


def collapsed(spans: Sequence[Span]) -> dict[str, Span]:
    """Span by id; of several versions of one span the one with the latest end, else a fixed one of them."""
    by_id = {span.span_id: span for span in spans}
    if len(by_id) == len(spans):
        return by_id
    by_id.clear()
    for span in spans:
        known = by_id.setdefault(span.span_id, span)
        if known is not span and _version(span) > _version(known):
            by_id[span.span_id] = span
    return by_id


def _version(span: Span) -> tuple[int, str, int]:
    content = astuple(span)
    return span.end_ns, repr(content[:_LANDED] + content[_LANDED + 1 :]), -span.landed_us


def divided(stored: dict[str, Span], most_spans: int) -> list[Part]:
    """The parts of a trace, given all its spans by id."""
    spans = list(stored.values())
    keys = list(map(_part_key, spans))
    if len(set(keys)) == 1:
        return [_part(spans, stored, most_spans)]
    groups: dict[tuple[str, str, str], list[Span]] = {}
    for key, span in zip(keys, spans, strict=True):
        groups.setdefault(key, []).append(span)
    return [_part(group, stored, most_spans) for group in groups.values()]


def _part(spans: list[Span], stored: dict[str, Span], most_spans: int) -> Part:
    spans.sort(key=_chronological)
    beyond = spans[most_spans:]
    del spans[most_spans:]
    index = {span.span_id: place for place, span in enumerate(spans)}
    parent: list[int] = []
    orphans: list[Span] = []
    parents_first = True
    for place, span in enumerate(spans):
        parent_id = span.parent_id
        above = index.get(parent_id, -1) if parent_id else -1
        if above >= place:
            parents_first = False
        elif above < 0 and parent_id and _orphan(span, stored):
            orphans.append(span)
        parent.append(above)
    orphans += [span for span in beyond if span.parent_id and _orphan(span, stored)]
    order: Sequence[int] = range(len(spans)) if parents_first else _parents_first(parent)
    root = parent.index(-1) if parent.count(-1) == 1 else -1
    return Part(spans, [span.kind for span in spans], parent, order, root, orphans, bool(beyond))


def _orphan(span: Span, stored: dict[str, Span]) -> bool:
    return not span.remote and span.parent_id not in stored


def _parents_first(parent: list[int]) -> list[int]:
    """All indices, parents before children; cuts cycles in ``parent``."""
    children: list[list[int]] = [[] for _ in parent]
    order: list[int] = []
    for place, above in enumerate(parent):
        (order if above < 0 else children[above]).append(place)
    reached = bytearray(len(parent))
    done = 0
    for place in range(-1, len(parent)):  # -1: all that hangs on a root; then what hangs on cycles
        if place >= 0 and not reached[place]:
            first = _first_of_cycle(place, parent)
            children[parent[first]].remove(first)
            parent[first] = -1
            order.append(first)
        while done < len(order):
            reached[order[done]] = 1
            order += children[order[done]]
            done += 1
    return order


def _first_of_cycle(place: int, parent: list[int]) -> int:
    """The first index of the cycle that lies above (or at) a place."""
    seen = set()
    while place not in seen:
        seen.add(place)
        place = parent[place]
    first, member = place, parent[place]
    while member != place:
        first, member = min(first, member), parent[member]
    return first


def run_spans(part: Part) -> list[int]:
    """The spans of a part that are runs, in order.

    Those that say so; else each outermost actor, raised through parents that are directly chains; else, without an
    actor, the topmost span above a generative one, unless its parent should be stored and is not. A part without
    generative spans has none.
    """
    kinds = part.kinds
    if GENERATIVE.isdisjoint(kinds):
        return []
    if any(map(_flagged, part.spans)):
        return [place for place, span in enumerate(part.spans) if span.run]
    if part.root >= 0 and kinds[part.root] in ACTORS:
        return [part.root]
    return _topmost(part) if ACTORS.isdisjoint(kinds) else _outermost_actors(part)


def _outermost_actors(part: Part) -> list[int]:
    kinds, parent = part.kinds, part.parent
    under_actor = bytearray(len(kinds))
    raised = list(range(len(kinds)))
    found: set[int] = set()
    for place in part.order:
        above = parent[place]
        if above >= 0:
            if kinds[above] == _CHAIN:
                raised[place] = raised[above]
            if under_actor[above]:
                under_actor[place] = 1
                continue
        if kinds[place] in ACTORS:
            under_actor[place] = 1
            found.add(raised[place])
    return sorted(found)


def _topmost(part: Part) -> list[int]:
    kinds, parent, spans = part.kinds, part.parent, part.spans
    missing = {span.span_id for span in part.orphans}
    top = list(range(len(kinds)))
    found: set[int] = set()
    for place in part.order:
        above = parent[place]
        if above >= 0:
            top[place] = top[above]
        if kinds[place] in GENERATIVE:
            found.add(top[place])
    return sorted(place for place in found if spans[place].span_id not in missing)


def members(part: Part, runs: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    """Which run a span belongs to (number of the run, -1 for none), and the spans of each run in order.

    A span belongs to the nearest run span at or above it. A generative one without any belongs to the first run, so
    that no token is lost; others beside the run spans belong to none.
    """
    if len(runs) == 1 and runs[0] == part.root:
        return [0] * len(part.spans), [list(range(len(part.spans)))]
    owner = [-1] * len(part.spans)
    number = {place: n for n, place in enumerate(runs)}
    parent = part.parent
    for place in part.order:
        above = parent[place]
        owner[place] = number.get(place, owner[above] if above >= 0 else -1)
    held: list[list[int]] = [[] for _ in runs]
    for place, run in enumerate(owner):
        if run >= 0:
            held[run].append(place)
        elif part.kinds[place] in GENERATIVE:
            owner[place] = 0
            held[0].append(place)
    return owner, held
