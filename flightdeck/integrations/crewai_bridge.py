"""The run of a crew, from the token totals that CrewAI reports (``crew.usage_metrics``)."""

from __future__ import annotations

from typing import Unpack

from flightdeck.integrations.common import make_run_end_event
from flightdeck.integrations.events import RunFacts
from flightdeck.models import RunEvent


def run_event_from_crew_token_totals(
    *,
    provider: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
    cached_input_tokens: int = 0,
    crew_name: str | None = None,
    **facts: Unpack[RunFacts],
) -> RunEvent:
    """The finished run of a crew. ``input_tokens`` includes the cached ones; the crew's name becomes a label."""
    labels = {"integration": "crewai"}
    if crew_name:
        labels["crew.name"] = crew_name
    labelled = facts.copy()
    labelled["labels"] = labels | (facts.get("labels") or {})
    return make_run_end_event(
        **labelled,
        provider=provider,
        model=model,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=cached_input_tokens,
    )
