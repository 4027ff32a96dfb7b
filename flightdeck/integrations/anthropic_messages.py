"""The run of one message of the Anthropic client library."""

from __future__ import annotations

from typing import Unpack

from flightdeck.integrations.calls import UNKNOWN, Call, member, text, tokens
from flightdeck.integrations.events import RunFacts, run_of_calls
from flightdeck.models import RunEvent


def token_totals_from_anthropic_message(message: object) -> tuple[int, int, int, str]:
    """Input tokens, output tokens, tokens read from the cache, and the model; takes a ``Message`` or its dict.

    Anthropic's own ``input_tokens`` leaves out what was read from and written to the cache. FlightDeck's includes both,
    and so does this: a token is charged in one bucket.
    """
    call = _call(message)
    return call.input, call.output, call.cached, call.model


def run_event_from_anthropic_message(message: object, **facts: Unpack[RunFacts]) -> RunEvent:
    """The finished run of one message; tokens written to the cache are told apart, they have their own price."""
    if member(message, "usage") is None:
        return run_of_calls([], "anthropic_messages", facts, without_usage=1)
    return run_of_calls([_call(message)], "anthropic_messages", facts)


def _call(message: object) -> Call:
    usage = member(message, "usage")
    cached, creation = tokens(usage, "cache_read_input_tokens"), tokens(usage, "cache_creation_input_tokens")
    return Call(
        provider="anthropic",
        model=text(message, "model") or UNKNOWN,
        input=tokens(usage, "input_tokens") + cached + creation,
        output=tokens(usage, "output_tokens"),
        cached=cached,
        creation=creation,
        reasoning=tokens(member(usage, "output_tokens_details"), "thinking_tokens"),
    )
