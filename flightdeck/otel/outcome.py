"""How a run ended: success, error type, and the tools it called."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter

from flightdeck.otel.calls import OTHER
from flightdeck.otel.kinds import ACTORS, CALLS, Kind
from flightdeck.otel.parts import Part
from flightdeck.otel.rows import UNKNOWN_ERROR
from flightdeck.otel.spans import Span

_TOOL = Kind.TOOL.value
_FAILS_A_RUN = ACTORS | {Kind.CHAIN.value}
_WORK = CALLS | {_TOOL}
_NAME_ENDINGS = (".__call__", ".run", ".tool", ".invoke")
_HANDOFF = "handoff to"
_failed = attrgetter("error")


def error_type(run_span: Span, spans: Sequence[Span]) -> str | None:
    """Why a run failed, None if it succeeded; ``spans`` are its spans in order.

    The run span's own word decides, then its status; then an actor or chain that failed finally: no call or tool of
    the run starts at or after its end. (All three instrumentations of openai-agents close the root without an error
    after a fatal one.) Errors of calls and tools alone are recovered.
    """
    if run_span.run_success:
        return None
    failing: Span | None = run_span
    if run_span.run_success is None and not any(map(_failed, spans)):
        return None
    if run_span.run_success is None and not run_span.error:
        failing = _final_error(spans)
        if failing is None:
            return None
    if run_span.run_error_type:
        return run_span.run_error_type
    return _named_error(failing, spans)


def _end(span: Span) -> int:
    return max(span.start_ns, span.end_ns)


def _final_error(spans: Iterable[Span]) -> Span | None:
    """Of actors and chains that failed with no work after their end, the one that ended first."""
    failed: list[Span] = []
    last_start = -1
    for span in spans:
        if span.kind in _WORK:
            last_start = max(last_start, span.start_ns)
        elif span.error and span.kind in _FAILS_A_RUN:
            failed.append(span)
    return min((span for span in failed if _end(span) > last_start), key=_end, default=None)


def _named_error(failing: Span | None, spans: Iterable[Span]) -> str:
    """The error type of the failing span, else of the failed span that ended last and has one."""
    if failing is not None and failing.error_type:
        return failing.error_type
    named = [span for span in spans if span.error and span.error_type]
    return max(named, key=_end).error_type if named else UNKNOWN_ERROR


def tools(part: Part, owner: Sequence[int], runs: int, most_tools: int) -> list[list[tuple[str, int]]]:
    """For each run of a part its tools by name, with the number of their invocations.

    A tool below one of the same name is the same invocation in another layer; handoffs are no tools.
    """
    names = {
        place: (owner[place], _tool_name(part.spans[place])) for place, kind in enumerate(part.kinds) if kind == _TOOL
    }
    counts: list[dict[str, int]] = [{} for _ in range(runs)]
    repeated = _below_same_name(part, names) if len(names) > 1 else ()
    for place, (run, name) in names.items():
        if place not in repeated and not name.startswith(_HANDOFF):
            counts[run][name] = counts[run].get(name, 0) + 1
    return [_limited(counted, most_tools) for counted in counts]


def _limited(counts: dict[str, int], most: int) -> list[tuple[str, int]]:
    """The tools called most, ties in order, all others as one more."""
    if len(counts) > most:
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        others = sum(counts.pop(name) for name in ranked[most - 1 :])
        counts[OTHER] = counts.get(OTHER, 0) + others
    return sorted(counts.items())


def _tool_name(span: Span) -> str:
    if span.tool:
        return span.tool
    ending = next((ending for ending in _NAME_ENDINGS if span.name.endswith(ending)), "")
    return span.name.removesuffix(ending)


def _below_same_name(part: Part, names: dict[int, tuple[int, str]]) -> set[int]:
    """The tools that stand below one of the same run and name."""
    below = _tools_below(part, names)
    if not below:
        return set()
    nested = {place for places in below.values() for place in places}
    repeated: set[int] = set()
    above: Counter[tuple[int, str]] = Counter()
    waiting = [place for place in names if place not in nested]
    while waiting:
        place = waiting.pop()
        if place < 0:  # all below this tool is done
            above[names[~place]] -= 1
            continue
        if above[names[place]]:
            repeated.add(place)
        above[names[place]] += 1
        waiting.append(~place)
        waiting += below.get(place, ())
    return repeated


def _tools_below(part: Part, tools_of_part: Collection[int]) -> dict[int, list[int]]:
    """For each tool those that have it as the nearest tool above."""
    nearest = [-1] * len(part.kinds)
    below: dict[int, list[int]] = defaultdict(list)
    for place in part.order:
        above = part.parent[place]
        if above >= 0:
            nearest[place] = above if part.kinds[above] == _TOOL else nearest[above]
    for place in tools_of_part:
        if nearest[place] >= 0:
            below[nearest[place]].append(place)
    return below
