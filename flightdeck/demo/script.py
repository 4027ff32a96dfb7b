"""What the demo's model provider says: a pure function of seed and request.

The reply follows from what the prompt asks for, so that releases differ for a reason a reader can find: a prompt that
does not say to look up an order before a refund gets refunds refused, one that says how order numbers are written gets
them right. Usage, cached prefixes, retried 429 answers and the time a reply takes are shaped like a real provider's;
``pace`` makes time pass faster.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

JsonObject = dict[str, Any]

CACHE_FROM, CACHE_STEP = 1024, 128
"""Tokens of a repeated prefix that a provider starts to cache at, and the steps it caches in."""

RATE_LIMITED = 0.01
"""Share of first attempts answered with 429; the client's own retry gets through."""

SPEECHLESS = 0.007
"""Share of replies without content (finish reason ``content_filter``)."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model on offer: the snapshot it answers as and how fast it is."""

    snapshot: str
    first_token_ms: float
    token_ms: float


MODELS: Mapping[str, Model] = {
    "gpt-4.1-mini": Model("gpt-4.1-mini-2025-04-14", 350, 7),
    "gpt-4.1": Model("gpt-4.1-2025-04-14", 550, 11),
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, and how many seconds it takes to come."""

    status: int
    body: JsonObject
    after_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a reply depends on, read from a request's messages."""

    system: str
    question: str
    results: Sequence[tuple[str, JsonObject]]
    """Tools called so far, in order, with what they returned."""

    @classmethod
    def read(cls, messages: Sequence[JsonObject]) -> Conversation:
        """Raises KeyError, TypeError or ValueError for messages of another shape."""
        names: dict[str, str] = {}
        results: list[tuple[str, JsonObject]] = []
        system = question = ""
        for message in messages:
            match message["role"]:
                case "system" | "developer":
                    system += str(message["content"])
                case "user":
                    question = str(message["content"])
                case "assistant":
                    names |= {call["id"]: call["function"]["name"] for call in message.get("tool_calls") or ()}
                case "tool":
                    results.append((names[message["tool_call_id"]], json.loads(message["content"])))
        return cls(system, question, results)

    def says(self, phrase: str) -> bool:
        """Whether the prompt contains a phrase, wherever its lines break."""
        return phrase in " ".join(self.system.lower().split())

    @property
    def last(self) -> JsonObject:
        """What the last tool returned; empty before the first."""
        return self.results[-1][1] if self.results else {}

    def done(self, tool: str) -> bool:
        """Whether this tool has succeeded."""
        return any(name == tool and "error" not in result for name, result in self.results)


@dataclass(frozen=True, slots=True)
class Call:
    """A tool the model wants called."""

    tool: str
    arguments: JsonObject


class Script:
    """Answers chat completion requests; equal seeds and requests get equal replies."""

    def __init__(self, seed: int = 0, *, pace: float = 0.1) -> None:
        self._seed = seed
        self._pace = pace

    def reply(self, request: JsonObject, *, attempt: int = 0) -> Reply:
        """The reply to the body of ``POST /v1/chat/completions``; ``attempt`` counts the client's retries from 0."""
        if request.get("stream"):
            return _refusal(400, "this provider does not stream", "unsupported_value")
        model = MODELS.get(str(request.get("model")))
        if model is None:
            return _refusal(404, f"the model {request.get('model')!r} does not exist", "model_not_found")
        try:
            messages = request["messages"]
            conversation = Conversation.read(messages)
            tools = request.get("tools") or []
            offered = {tool["function"]["name"] for tool in tools}
        except (KeyError, TypeError, ValueError, AttributeError):
            return _refusal(400, "the messages or tools are not of the chat completions shape", "invalid_request_error")
        digest = hashlib.sha256(
            json.dumps([self._seed, request["model"], messages], sort_keys=True).encode()
        ).hexdigest()
        draw = random.Random(digest)  # noqa: S311 - a script, not a secret
        if draw.random() < RATE_LIMITED and attempt == 0:
            return _refusal(429, "rate limit reached", "rate_limit_exceeded", {"retry-after-ms": "40"})
        speechless = draw.random() < SPEECHLESS
        move = _next_move(conversation, draw)
        if isinstance(move, Call) and move.tool not in offered:
            move = _answer(conversation, draw)
        choice, written = _choice(move, digest, speechless=speechless)
        usage = _usage(messages, tools, written)
        thinking = model.first_token_ms + model.token_ms * usage["completion_tokens"]
        return Reply(
            200,
            {
                "id": f"chatcmpl-{digest[:24]}",
                "object": "chat.completion",
                "created": 1_764_000_000,
                "model": model.snapshot,
                "choices": [choice],
                "usage": usage,
                "service_tier": "default",
                "system_fingerprint": f"fp_{self._seed:010x}",
            },
            after_s=thinking * draw.uniform(0.85, 1.25) * self._pace / 1000,
        )


def _refusal(status: int, message: str, code: str, headers: Mapping[str, str] | None = None) -> Reply:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Reply(status, {"error": error}, headers=headers or {})


def _next_move(conversation: Conversation, draw: random.Random) -> Call | str:
    question = conversation.question.lower()
    if "how do i" in question:
        return _steps(conversation, draw, Call("search_help", {"question": conversation.question[:60]}))
    number = _order_number(conversation, draw)
    if number is None:
        return "Which order is it about? Its number stands in the confirmation mail."
    if "refund" in question:
        return _refund(conversation, number, draw)
    if question.startswith("please send"):
        address = conversation.question.partition(" to ")[2].rstrip(".")
        look_up = Call("look_up_order", {"order_number": number})
        return _steps(conversation, draw, look_up, Call("change_address", {"order_number": number, "address": address}))
    return _steps(conversation, draw, Call("track_parcel", {"order_number": number}))


def _steps(conversation: Conversation, draw: random.Random, *calls: Call) -> Call | str:
    """The first of some calls that has not succeeded, then the answer."""
    return next((call for call in calls if not conversation.done(call.tool)), None) or _answer(conversation, draw)


def _order_number(conversation: Conversation, draw: random.Random) -> str | None:
    """The number as the model passes it on: completed if the prompt says so, else learnt from a refusal, mostly."""
    found = re.search(r"order (A-)?(\d{4})\b", conversation.question, re.IGNORECASE)
    if found is None:
        return None
    known = (result["order_number"] for _, result in conversation.results if "order_number" in result)
    number = next(known, None)
    if number is not None:
        return str(number)
    if found[1] or conversation.says("complete the number"):
        return f"A-{found[2]}"
    if "there is no order" in str(conversation.last.get("error")):
        return f"A-{found[2]}" if draw.random() < 0.7 else f"#{found[2]}"
    return found[2]


def _refund(conversation: Conversation, number: str, draw: random.Random) -> Call | str:
    if conversation.done("issue_refund"):
        return _answer(conversation, draw)
    refundable = next((r["refundable_cents"] for _, r in conversation.results if "refundable_cents" in r), None)
    if refundable is not None:
        return Call("issue_refund", {"order_number": number, "amount_cents": refundable})
    refused = "more than" in str(conversation.last.get("error"))
    if conversation.says("look up the order before you issue a refund") or (refused and draw.random() < 0.25):
        return Call("look_up_order", {"order_number": number})
    named = re.search(r"(\d+)\.(\d\d) EUR", conversation.question)
    cents = int(named[1]) * 100 + int(named[2]) if named else 0
    return Call("issue_refund", {"order_number": number, "amount_cents": cents - draw.randint(1, 200) * refused})


_SENTENCES = (
    "The shop's records show your order and I have taken care of it.",
    "You will get a confirmation by mail within a few minutes.",
    "Nothing else is needed from you for now.",
    "It usually takes no more than three working days until you can see it.",
    "If something looks different from what you expected, please write to us again with the order's number.",
    "I understand that waiting is annoying, and I thank you for your patience with us.",
    "Many customers ask about this, so let me explain what happens behind the scenes at the depot.",
    "Your order stays visible under Account, Orders, where every step is listed with its time.",
    "Should you like to choose something else, other customers were very happy with the lighter model.",
    "Thank you for shopping with us, and please write again whenever there is anything we can do.",
)


def _answer(conversation: Conversation, draw: random.Random) -> str:
    """An answer as long as the prompt wants it."""
    if conversation.says("at most two sentences"):
        count = 2
    elif conversation.says("as many of them as it takes"):
        count = draw.randint(6, 9)
    else:
        count = draw.randint(3, 5)
    return " ".join(draw.sample(_SENTENCES, count))


def _choice(move: Call | str, digest: str, *, speechless: bool) -> tuple[JsonObject, str]:
    """The choice of a completion, and the text its tokens are counted on."""
    message: JsonObject = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    reason = "stop"
    if isinstance(move, Call):
        written = json.dumps(move.arguments)
        function = {"name": move.tool, "arguments": written}
        message["tool_calls"] = [{"id": f"call_{digest[24:48]}", "type": "function", "function": function}]
        reason = "tool_calls"
        written += move.tool
    elif speechless:
        written = ""
        reason = "content_filter"
    else:
        message["content"] = written = move
    return {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}, written


def _tokens(text: str) -> int:
    """About as many tokens as a tokenizer finds in English text."""
    return (len(text) + 3) // 4


def _usage(messages: Sequence[JsonObject], tools: Sequence[JsonObject], written: str) -> JsonObject:
    sizes = [4 + _tokens(json.dumps(message)) for message in messages]
    fixed = _tokens(json.dumps(tools)) if tools else 0
    prompt = fixed + sum(sizes)
    turns = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    repeated = fixed + sum(sizes[: turns[-1]]) if turns else 0
    completion = 8 + _tokens(written)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {
            "cached_tokens": repeated // CACHE_STEP * CACHE_STEP if repeated >= CACHE_FROM else 0,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
