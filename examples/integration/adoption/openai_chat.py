"""The run of one chat completion of the OpenAI client.

python openai_chat.py                                       # a recorded response, printed as an event
python openai_chat.py --live --ingest --release-id rel_...  # a real call (OPENAI_API_KEY), posted
"""

from __future__ import annotations

import sys
import time

from delivery import deliver, identity, options

from flightdeck.integrations.openai_chat import run_event_from_openai_chat_completion

RECORDED = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1764000000,
    "model": "gpt-4.1-mini-2025-04-14",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Sunny."}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 400,
        "completion_tokens": 120,
        "total_tokens": 520,
        "prompt_tokens_details": {"cached_tokens": 128},
    },
}


def ask() -> object:
    """Asks a model; needs ``pip install openai``."""
    from openai import OpenAI  # noqa: PLC0415 - only a live call needs it

    question = "What is the weather like in Paris in spring, in one sentence?"
    return OpenAI().chat.completions.create(model="gpt-4.1-mini", messages=[{"role": "user", "content": question}])


def main() -> int:
    """One call, one run."""
    chosen = options(__doc__, live="ask OpenAI instead of taking a recorded response")
    begin = time.monotonic()
    response = ask() if chosen.live else RECORDED
    latency_ms = round((time.monotonic() - begin) * 1000)
    return deliver(run_event_from_openai_chat_completion(response, **identity(chosen), latency_ms=latency_ms), chosen)


if __name__ == "__main__":
    sys.exit(main())
