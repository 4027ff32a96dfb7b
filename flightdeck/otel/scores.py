"""A score: what an evaluation said of a span, and through it of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

LONGEST_NAME = 128
"""Characters of a score's name or label."""

MOST_SCORES = 128
"""Of one run, as its event brings them."""


@dataclass(frozen=True, slots=True)
class Score:
    """One ``gen_ai.evaluation.result``: a number, a label, or both.

    It names what it judges by ``trace_id`` and ``span_id`` (lower-case hex), or by ``response_id``, the provider's id
    of the completion; what it does not name is "". ``label`` is "" when only a number was given, ``value`` None when
    only a label was; ``timestamp_us`` is Unix µs, UTC. Explanations are content and never kept.
    """

    workspace: int
    trace_id: str
    span_id: str
    response_id: str
    name: str
    value: float | None
    label: str
    timestamp_us: int


def upwards(span_id: str, parent_of: Callable[[str], str | None]) -> Iterator[str]:
    """The span that a score names, then the spans above it; ends where it begins to repeat."""
    seen: set[str] = set()
    above: str | None = span_id
    while above and above not in seen:
        yield above
        seen.add(above)
        above = parent_of(above)
