"""The run of one chat completion of the OpenAI client library."""

from __future__ import annotations

from typing import Unpack

from flightdeck.integrations.calls import UNKNOWN, Call, member, text, tokens
from flightdeck.integrations.events import RunFacts, run_of_calls
from flightdeck.models import RunEvent


def token_totals_from_openai_chat_completion(response: object) -> tuple[int, int, int, str]:
    """Input tokens (with the cached ones), output tokens, cached tokens, and the model.

    Takes a ``ChatCompletion`` or its dict. Without usage (a stream without ``include_usage``) the tokens are 0; without
    a model it is ``unknown``.
    """
    call = _call(response)
    return call.input, call.output, call.cached, call.model


def run_event_from_openai_chat_completion(response: object, **facts: Unpack[RunFacts]) -> RunEvent:
    """The finished run of one chat completion; one without usage is a call without usage, not a free one."""
    if member(response, "usage") is None:
        return run_of_calls([], "openai_chat", facts, without_usage=1)
    return run_of_calls([_call(response)], "openai_chat", facts)


def _call(response: object) -> Call:
    usage = member(response, "usage")
    details = member(usage, "prompt_tokens_details")
    return Call(
        provider="openai",
        model=text(response, "model") or UNKNOWN,
        input=tokens(usage, "prompt_tokens"),
        output=tokens(usage, "completion_tokens"),
        cached=tokens(details, "cached_tokens"),
        creation=tokens(details, "cache_write_tokens"),
        reasoning=tokens(member(usage, "completion_tokens_details"), "reasoning_tokens"),
    )
