"""What every agent here does: it asks a model that answers, calling a tool on the way, and then one that refuses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Iterator

from opentelemetry import trace

LLM = os.environ["LLM_URL"]
OPENAI = f"{LLM}/v1"
QUESTION = "What is the weather in Paris, for Tyrolean guests? Use the tool."
os.environ.update(
    OPENAI_BASE_URL=OPENAI,
    OPENAI_API_BASE=OPENAI,
    OPENAI_API_KEY="none",
    ANTHROPIC_BASE_URL=LLM,
    ANTHROPIC_API_KEY="none",
    GOOGLE_GEMINI_BASE_URL=LLM,
    GEMINI_API_KEY="none",
    LITELLM_LOCAL_MODEL_COST_MAP="True",  # or LiteLLM fetches a list of prices
)
MODELS = {
    "openai": ("gpt-4.1-mini", "gpt-broken"),
    "anthropic": ("claude-sonnet-4-5", "claude-broken"),
    "google": ("gemini-2.5-flash", "gemini-broken"),
}


def get_weather(city: str) -> str:
    """Tells the weather of a city.

    Args:
        city: the city's name
    """
    return f"It is sunny in {city}."


def tell(ask: Callable[[str], object], vendor: str = "openai") -> None:
    """Asks both models; an error of the framework's is told and nothing more."""
    for model in MODELS[vendor]:
        with _telling():
            print("answered:", ask(model))


def tell_async(ask: Callable[[str], Awaitable[object]], vendor: str = "openai") -> None:
    """The same for an agent of coroutines, whose clients belong to one event loop."""

    async def both() -> None:
        for model in MODELS[vendor]:
            with _telling():
                print("answered:", await ask(model))

    asyncio.run(both())


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the next question is asked all the same
        print("failed:", type(error).__name__, str(error)[:300], file=sys.stderr)


@contextlib.contextmanager
def agent(name: str = "weather") -> Iterator[None]:
    """The span of an agent that no framework runs, by the GenAI conventions."""
    tracer = trace.get_tracer("agent")
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
    with tracer.start_as_current_span(f"invoke_agent {name}", attributes=attributes):
        yield


def call_tool(name: str, arguments: dict[str, str]) -> str:
    """Runs the tool within its span."""
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name}
    with trace.get_tracer("agent").start_as_current_span(f"execute_tool {name}", attributes=attributes):
        return get_weather(**arguments)
