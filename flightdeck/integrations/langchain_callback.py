"""The run of a LangChain or LangGraph agent, gathered by a callback handler.

    handler = FlightDeckLangChainCallbackHandler(agent_id=..., ...)
    agent.invoke(question, config={"callbacks": [handler]})
    event = handler.to_run_event(latency_ms=...)

The handler's class is made when it is first asked for: only then is ``langchain-core`` imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flightdeck.integrations.langchain_handler import FlightDeckLangChainCallbackHandler

__all__ = ["FlightDeckLangChainCallbackHandler"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from flightdeck.integrations import langchain_handler  # noqa: PLC0415 - a vendor's library, only when asked for

    return langchain_handler.FlightDeckLangChainCallbackHandler
