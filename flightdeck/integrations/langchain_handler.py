"""The callback handler itself; importing this module imports ``langchain-core``."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, Unpack

from flightdeck.integrations.calls import UNKNOWN, Call, member, text, tokens
from flightdeck.integrations.events import RunFacts, run_of_calls
from flightdeck.models import RunEvent

try:
    from langchain_core.callbacks import BaseCallbackHandler
except ImportError as missing:
    raise ImportError("the LangChain handler needs: pip install langchain-core") from missing


class FlightDeckLangChainCallbackHandler(BaseCallbackHandler):  # type: ignore[misc] # a class of an optional library
    """Gathers what one run's model calls and tools used. One handler per run; threads and async runs may share it.

    ``provider`` is whose models these are where the messages do not say.
    """

    def __init__(self, *, provider: str = "openai", **facts: Unpack[RunFacts]) -> None:
        self._facts = facts
        self._provider = provider
        self._lock = threading.Lock()
        self._calls: dict[object, Call | None] = {}
        self._tools: Counter[str] = Counter()

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:  # noqa: ANN401 - the base class's signature
        """Takes a call's tokens, once: its message and ``llm_output`` report the same ones."""
        call = _call(response, self._provider)
        with self._lock:
            self._calls.setdefault(kwargs.get("run_id") or object(), call)

    def on_tool_start(self, serialized: Any, input_str: str, **kwargs: Any) -> None:  # noqa: ANN401 - same
        """Counts an invocation."""
        del input_str
        if name := text(kwargs, "name") or text(serialized, "name"):
            with self._lock:
                self._tools[name] += 1

    def to_run_event(
        self,
        *,
        latency_ms: int | None = None,
        success: bool = True,
        error_type: str | None = None,
        trace_id: str | None = None,
        session_id: str | None = None,
    ) -> RunEvent:
        """The finished run, with all calls so far."""
        facts = self._facts.copy()
        facts["latency_ms"] = latency_ms
        facts["success"] = success
        facts["error_type"] = error_type
        facts["trace_id"] = trace_id
        facts["session_id"] = session_id
        with self._lock:
            calls, tools = list(self._calls.values()), dict(self._tools)
        known = [call for call in calls if call is not None]
        return run_of_calls(known, "langchain", facts, tools=tools, without_usage=len(calls) - len(known))


def _call(response: object, provider: str) -> Call | None:
    """The tokens of one call, None if it reports none.

    A message's ``usage_metadata`` comes first: it has details, and the same meaning whoever the provider is. Of several
    candidates each carries the whole call's.
    """
    messages = [message for message in map(_message, _generations(response)) if message is not None]
    output = member(response, "llm_output")
    told = [member(message, "response_metadata") for message in messages]
    model = next(filter(None, (text(one, "model_name", "model") for one in told)), "") or text(
        output, "model_name", "model"
    )
    provider = next(filter(None, (text(one, "model_provider") for one in told)), "") or provider
    for message in messages:
        usage = member(message, "usage_metadata")
        if usage is not None:
            details, more = member(usage, "input_token_details"), member(usage, "output_token_details")
            return Call(
                provider=provider,
                model=model or UNKNOWN,
                input=tokens(usage, "input_tokens"),
                output=tokens(usage, "output_tokens"),
                cached=tokens(details, "cache_read"),
                creation=tokens(details, "cache_creation"),
                reasoning=tokens(more, "reasoning"),
            )
    usage = member(output, "token_usage") or member(output, "usage")
    if not usage:
        return None
    return Call(
        provider=provider,
        model=model or UNKNOWN,
        input=tokens(usage, "prompt_tokens", "input_tokens"),
        output=tokens(usage, "completion_tokens", "output_tokens"),
        cached=tokens(member(usage, "prompt_tokens_details"), "cached_tokens"),
        reasoning=tokens(member(usage, "completion_tokens_details"), "reasoning_tokens"),
    )


def _generations(response: object) -> list[object]:
    prompts = member(response, "generations")
    return [one for prompt in prompts for one in prompt] if isinstance(prompts, list) else []


def _message(generation: object) -> object:
    return member(generation, "message")
