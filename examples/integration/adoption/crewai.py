"""The run of a crew, from the token totals that CrewAI reports after ``crew.kickoff()``.

    python crewai.py
    python crewai.py --ingest --release-id rel_...

The totals are recorded ones here: in a program they are ``result.token_usage``.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace

from delivery import deliver, identity, options

from flightdeck.integrations.crewai_bridge import run_event_from_crew_token_totals

RECORDED = SimpleNamespace(prompt_tokens=700, completion_tokens=120, cached_prompt_tokens=128)


def main() -> int:
    """One kick-off, one run."""
    chosen = options(__doc__)
    event = run_event_from_crew_token_totals(
        **identity(chosen),
        provider="openai",
        model="gpt-4.1-mini",
        input_tokens=RECORDED.prompt_tokens,
        output_tokens=RECORDED.completion_tokens,
        cached_input_tokens=RECORDED.cached_prompt_tokens,
        crew_name="weather_desk",
        latency_ms=900,
    )
    return deliver(event, chosen)


if __name__ == "__main__":
    sys.exit(main())
