"""The run of an agent of the OpenAI Agents SDK (``openai-agents``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Unpack

from flightdeck.integrations.calls import UNKNOWN, Call, member, text, tokens
from flightdeck.integrations.events import RunFacts, run_of_calls
from flightdeck.models import RunEvent


def token_totals_from_openai_agents_result(result: object) -> tuple[int, int, int, str]:
    """Input tokens (with the cached ones), output tokens, cached tokens, and the model that wrote most of the output.

    Takes a ``RunResult`` or ``RunResultStreaming`` (after its stream has ended), or an object of the caller's own that
    holds a dict as ``usage``, ``token_usage`` or ``metrics``, or in its ``context``. The model is ``unknown`` where the
    result tells none: an agent without a model of its own runs on whatever the ``RunConfig`` or the SDK chooses.
    """
    calls = _calls(result, "")
    if not calls:
        return 0, 0, 0, UNKNOWN
    usage = run_of_calls(calls, "", _NOBODY).usage.model
    return usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.model


def run_event_from_openai_agents_result(result: object, *, model: str = "", **facts: Unpack[RunFacts]) -> RunEvent:
    """The finished run of an agent, with handoffs, agents called as tools, and the tools themselves.

    ``model`` names the model of calls whose model the result does not tell.
    """
    calls = _calls(result, model)
    return run_of_calls(calls, "openai_agents", facts, tools=_tools(result), without_usage=not calls)


_NOBODY = RunFacts(agent_id="", release_id="", run_id="", tenant_id="", task_id="", environment="")


def _calls(result: object, model: str) -> list[Call]:
    responses = _list(result, "raw_responses")
    agents = {
        id(member(item, "raw_item")): member(item, "agent")
        for item in _list(result, "new_items")
        if member(item, "raw_item") is not None
    }
    last = member(result, "last_agent")
    calls = []
    for response in responses:
        items = _list(response, "output")
        agent = next((agents[id(item)] for item in items if id(item) in agents), last)
        name = next(_provider_models(items), "") or _model_of(agent) or model or UNKNOWN
        calls.append(_call(member(response, "usage"), name))
    total = member(member(result, "context_wrapper"), "usage")
    if total is None:
        return calls or _calls_of_a_dict(result, model)
    return calls + _calls_beside(total, calls, model or UNKNOWN)


def _calls_beside(total: object, calls: list[Call], model: str) -> list[Call]:
    """What the run's own responses lack of its total: the calls of agents that ran as tools, as one."""
    everything = _call(total, model)
    rest = Call(
        provider="openai",
        model=model,
        input=max(0, everything.input - sum(call.input for call in calls)),
        output=max(0, everything.output - sum(call.output for call in calls)),
        cached=max(0, everything.cached - sum(call.cached for call in calls)),
        creation=max(0, everything.creation - sum(call.creation for call in calls)),
        reasoning=max(0, everything.reasoning - sum(call.reasoning for call in calls)),
    )
    return [rest] if rest.input or rest.output else []


def _call(usage: object, model: str) -> Call:
    details = member(usage, "input_tokens_details")
    return Call(
        provider="openai",
        model=model,
        input=tokens(usage, "input_tokens", "prompt_tokens"),
        output=tokens(usage, "output_tokens", "completion_tokens"),
        cached=tokens(details, "cached_tokens") or tokens(usage, "cached_input_tokens", "cached_tokens"),
        creation=tokens(details, "cache_write_tokens"),
        reasoning=tokens(member(usage, "output_tokens_details"), "reasoning_tokens"),
    )


def _calls_of_a_dict(result: object, model: str) -> list[Call]:
    """The dicts that 1.3 looked for, for results that the caller has made."""
    for holder in (result, member(result, "context")):
        for name in ("usage", "token_usage", "metrics"):
            usage = member(holder, name)
            if isinstance(usage, Mapping) and usage:
                return [_call(usage, text(usage, "model") or text(result, "model") or model or UNKNOWN)]
    return []


def _provider_models(items: list[object]) -> Iterator[str]:
    """The models that the chat completions adapter notes on a response's items."""
    for item in items:
        if name := text(member(item, "provider_data"), "model"):
            yield name


def _model_of(agent: object) -> str:
    """The name of an agent's own model, which is a name or an object that has one."""
    return text(agent, "model") or text(member(agent, "model"), "model")


def _tools(result: object) -> Mapping[str, int]:
    items = [item for item in _list(result, "new_items") if member(item, "type") == "tool_call_item"]
    return Counter(filter(None, (text(item, "tool_name") or text(member(item, "raw_item"), "name") for item in items)))


def _list(holder: object, name: str) -> list[object]:
    value = member(holder, name)
    return list(value) if isinstance(value, list | tuple) else []
