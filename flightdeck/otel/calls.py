"""What the model calls of a run used.

Each call's tokens are counted once, at its innermost layer, which takes what only the layers dropped in its favour
knew.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Protocol

from flightdeck.models.runs import INPUT_TIERS
from flightdeck.otel.kinds import CALLS
from flightdeck.otel.layers import Call, nested, nested_layers, not_layers, side_by_side
from flightdeck.otel.parts import Part

_MOST_STAND_INS = 256
"""So many inner calls, the first ones, may take what an outer one knew."""

_place = attrgetter("place")
_key = attrgetter("provider", "model", "input_tier")


@dataclass(slots=True)
class ModelUsage:
    """Tokens of one model and input tier in one run: sums over its calls.

    ``input`` includes ``cached`` and (cache) ``creation``, ``output`` includes ``reasoning``.
    """

    provider: str
    model: str
    input_tier: int
    calls: int = 0
    input: int = 0
    cached: int = 0
    creation: int = 0
    output: int = 0
    reasoning: int = 0


@dataclass(slots=True)
class Usage:
    """What the calls of one run used; ``models`` is sorted by provider, model and tier."""

    models: list[ModelUsage] = field(default_factory=list)
    calls_without_usage: int = 0
    cached_exceeds_input: bool = False


def usages(part: Part, owner: Sequence[int], runs: int, most_models: int) -> list[Usage]:
    """What each run of a part used; ``owner`` is the number of each span's run, or -1."""
    with_usage: list[list[Call]] = [[] for _ in range(runs)]
    unknown: list[int] = []
    for place, kind in enumerate(part.kinds):
        if kind in CALLS:
            span = part.spans[place]
            if span.input is not None or span.output is not None:
                with_usage[owner[place]].append(Call(place, span))
            elif not span.error:
                unknown.append(place)
    parents = frozenset(part.parent)
    leaves = parents.isdisjoint(unknown) and all(parents.isdisjoint(map(_place, calls)) for calls in with_usage)
    stand_ins = {} if leaves else nested(part, owner, with_usage)
    found: list[Usage] = []
    counted: list[int] = []
    for calls in with_usage:
        kept = _kept(calls, stand_ins) if len(calls) > 1 else calls
        counted += map(_place, kept)
        found.append(Usage(_bounded(summed(kept), most_models), 0, any(call.exceeds for call in kept)))
    for place in unknown if leaves else not_layers(part, owner, unknown, counted):
        found[owner[place]].calls_without_usage += 1
    return found


def _kept(calls: list[Call], stand_ins: dict[int, list[int]]) -> list[Call]:
    """The calls of one run that count, filled in from those dropped in their favour."""
    dropped = {call.place: stand_ins[call.place] for call in calls if call.place in stand_ins} if stand_ins else {}
    if len({call.span.scope for call in calls}) > 1:
        by_kind: dict[str, list[Call]] = defaultdict(list)
        for call in calls:
            if call.place not in dropped:
                by_kind[call.span.kind].append(call)
        layers = nested_layers(calls, dropped)
        for alike in by_kind.values():
            for outer, inner in side_by_side(alike, layers):
                dropped[outer.place] = [inner.place]
    if not dropped:
        return calls
    kept = [call for call in calls if call.place not in dropped]
    _fill_in(calls, kept, dropped)
    return kept


# --- filling in and adding up -------------------------------------------------------------------------


def _fill_in(calls: list[Call], kept: list[Call], dropped: dict[int, list[int]]) -> None:
    """Gives the calls kept what only those dropped in their favour knew, from the innermost layer outwards."""
    by_place = {call.place: call for call in calls}
    outer: dict[int, list[int]] = defaultdict(list)
    waiting: dict[int, int] = {}
    for place, inner_places in dropped.items():
        waiting[place] = len(inner_places)
        for inner in inner_places:
            outer[inner].append(place)
    takers: dict[int, list[Call]] = {call.place: [call] for call in kept}
    done = list(takers)
    for place in done:
        for above in outer.get(place, ()):
            waiting[above] -= 1
            if not waiting[above]:
                takers[above] = _united([takers[inner] for inner in dropped[above]])
                _give(by_place[above], takers[above])
                done.append(above)


def _united(groups: list[list[Call]]) -> list[Call]:
    if len(groups) == 1:
        return groups[0]
    every = {call.place: call for group in groups for call in group}
    return sorted(every.values(), key=_place)[:_MOST_STAND_INS]


def _give(giver: Call, takers: list[Call]) -> None:
    first = takers[0]
    if giver.cached and not any(call.cached for call in takers):
        first.cached = giver.cached
    if giver.creation and not any(call.creation for call in takers):
        first.creation = giver.creation
    if giver.reasoning and not any(call.reasoning for call in takers):
        first.reasoning = giver.reasoning
    for call in takers:
        if not call.provider:
            call.provider = giver.provider
        if giver.responded and not call.responded:
            call.model, call.responded = giver.model, True
        elif not call.model:
            call.model = giver.model


class _Tokens(Protocol):
    """The tokens of one model call, as ``ModelUsage`` has them."""

    @property
    def provider(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def input(self) -> int: ...
    @property
    def cached(self) -> int: ...
    @property
    def creation(self) -> int: ...
    @property
    def output(self) -> int: ...
    @property
    def reasoning(self) -> int: ...


def summed(calls: Iterable[_Tokens]) -> list[ModelUsage]:
    """Sums per provider, model and input tier, sorted by them."""
    rows: dict[tuple[str, str, int], ModelUsage] = {}
    for call in calls:
        key = (call.provider, call.model, bisect_left(INPUT_TIERS, call.input))
        row = rows.get(key)
        if row is None:
            row = rows[key] = ModelUsage(*key)
        _add(row, call, 1)
    return [rows[key] for key in sorted(rows)] if len(rows) > 1 else list(rows.values())


def _add(total: ModelUsage, tokens: _Tokens, calls: int) -> None:
    total.calls += calls
    total.input += tokens.input
    total.cached += tokens.cached
    total.creation += tokens.creation
    total.output += tokens.output
    total.reasoning += tokens.reasoning


def _bounded(rows: list[ModelUsage], most: int) -> list[ModelUsage]:
    """The rows with most calls, ties in order, and all others as one row more where there are more than ``most``."""
    if len(rows) <= most:
        return rows
    ranked = sorted(rows, key=lambda row: (-row.calls, _key(row)))
    few = {_key(row): row for row in ranked[: most - 1]}
    key = ("", OTHER, 0)
    other = few.setdefault(key, ModelUsage(*key))
    for row in ranked[most - 1 :]:
        _add(other, row, row.calls)
    return [few[key] for key in sorted(few)]


OTHER = "_other"
"""The model, and the tool, that stands for all beyond the limit of a run."""
