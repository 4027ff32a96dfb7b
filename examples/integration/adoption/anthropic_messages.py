"""The run of one message of the Anthropic client.

    python anthropic_messages.py                                       # a recorded response, printed as an event
    python anthropic_messages.py --live --ingest --release-id rel_...  # a real call (ANTHROPIC_API_KEY), posted

Anthropic counts what went through its cache apart from the input; the event's input includes it.
"""

from __future__ import annotations

import sys
import time

from delivery import deliver, identity, options

from flightdeck.integrations.anthropic_messages import run_event_from_anthropic_message

RECORDED = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "Sunny."}],
    "stop_reason": "end_turn",
    "usage": {
        "input_tokens": 250,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 50,
        "output_tokens": 120,
    },
}


def ask() -> object:
    """Asks a model; needs ``pip install anthropic``."""
    from anthropic import Anthropic  # noqa: PLC0415 - only a live call needs it

    question = "What is the weather like in Paris in spring, in one sentence?"
    return Anthropic().messages.create(
        model="claude-sonnet-4-5", max_tokens=256, messages=[{"role": "user", "content": question}]
    )


def main() -> int:
    """One call, one run."""
    chosen = options(__doc__, live="ask Anthropic instead of taking a recorded response")
    begin = time.monotonic()
    message = ask() if chosen.live else RECORDED
    latency_ms = round((time.monotonic() - begin) * 1000)
    return deliver(run_event_from_anthropic_message(message, **identity(chosen), latency_ms=latency_ms), chosen)


if __name__ == "__main__":
    sys.exit(main())
