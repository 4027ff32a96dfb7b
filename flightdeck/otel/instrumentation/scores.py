"""Scores of runs that are posted: they travel on the span in which they are said, as its events, and out with its run.

What is said of a run after its span has ended can't travel so: an event that was posted stays as it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flightdeck.models import RunEventScore
from flightdeck.otel.instrumentation.records import EVALUATION_RESULT, LABEL, NAME, VALUE
from flightdeck.otel.scores import LONGEST_NAME, MOST_SCORES, upwards
from flightdeck.otel.spans import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from flightdeck.otel.runs import Run

Said = Sequence[tuple[str, RunEventScore]]
"""The scores of one trace in the order of their time, each with the id of the span that it was said in."""


def said_in(spans: Iterable[ReadableSpan]) -> Said:
    """The scores that ended spans carry."""
    found = [
        (event.timestamp, f"{span.context.span_id:016x}", score)
        for span in spans
        if span.context is not None
        for event in span.events
        if event.name == EVALUATION_RESULT and (score := _score(event.attributes or {})) is not None
    ]
    return [(span_id, score) for _, span_id, score in sorted(found, key=lambda one: one[0])]


def by_run(said: Said, runs: Sequence[Run], spans: Sequence[Span]) -> tuple[dict[str, list[RunEventScore]], int]:
    """The scores of each run of a trace, by run id, and how many are over the bound.

    A score is of the run whose span is nearest above the one it was said in, else of the trace's earliest run.
    """
    if not said or not runs:
        return {}, 0
    parents = {span.span_id: span.parent_id for span in spans}
    at_span = {run.span_id: run for run in runs}
    earliest = min(runs, key=lambda run: (run.timestamp_us, run.run_id))
    found: dict[str, list[RunEventScore]] = {}
    over = 0
    for span_id, score in said:
        run = next((at_span[above] for above in upwards(span_id, parents.get) if above in at_span), earliest)
        of_run = found.setdefault(run.run_id, [])
        if len(of_run) < MOST_SCORES:
            of_run.append(score)
        else:
            over += 1
    return found, over


def _score(attributes: Mapping[str, Any]) -> RunEventScore | None:
    name, value, label = (attributes.get(key) for key in (NAME, VALUE, LABEL))
    number = float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
    if not isinstance(name, str) or (number is None and not label):
        return None
    return RunEventScore(name=name[:LONGEST_NAME], value=number, label=str(label)[:LONGEST_NAME] if label else None)
