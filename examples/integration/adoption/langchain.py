"""The run of a LangChain model and tool, gathered by a callback handler: ``pip install langchain-core``.

    python langchain.py
    python langchain.py --ingest --release-id rel_...

Any chat model or LangGraph agent takes the handler the same way; only the model here is scripted, so that no key is
needed.
"""

from __future__ import annotations

import sys
import time

from delivery import deliver, identity, options
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.tools import tool

from flightdeck.integrations.langchain_callback import FlightDeckLangChainCallbackHandler


@tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It is sunny in {city}."


def main() -> int:
    """A tool and a call, one run."""
    chosen = options(__doc__)
    handler = FlightDeckLangChainCallbackHandler(**identity(chosen))
    usage = {"input_tokens": 400, "output_tokens": 120, "total_tokens": 520, "input_token_details": {"cache_read": 128}}
    told = {"model_name": "gpt-4.1-mini", "model_provider": "openai"}
    model = GenericFakeChatModel(messages=iter([AIMessage("Sunny.", usage_metadata=usage, response_metadata=told)]))
    begin = time.monotonic()
    weather = get_weather.invoke({"city": "Paris"}, config={"callbacks": [handler]})
    model.invoke(f"{weather} Say it in one word.", config={"callbacks": [handler]})
    return deliver(handler.to_run_event(latency_ms=round((time.monotonic() - begin) * 1000)), chosen)


if __name__ == "__main__":
    sys.exit(main())
