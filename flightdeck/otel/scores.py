"""A score: what an evaluation said of a span, and through it of a run."""

from __future__ import annotations

from dataclasses import dataclass


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
