"""The demo's model provider: realistic, and the same for the same seed."""

import json
from pathlib import Path

import pytest

from flightdeck.demo.script import CACHE_STEP, MODELS, Script

RELEASES = Path(__file__).parents[2] / "examples" / "support_agent" / "releases"
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "description": "x" * 200}}}
    for name in ("look_up_order", "issue_refund", "track_parcel", "change_address", "search_help")
]


def prompt(release: str) -> str:
    return (RELEASES / release / "prompts" / "system.md").read_text(encoding="utf-8")


def request(question: str, system: str = "", model: str = "gpt-4.1-mini", turns: tuple = ()) -> dict:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}, *turns]
    return {"model": model, "messages": messages, "tools": TOOLS}


def call(name: str, result: dict, call_id: str = "call_1") -> tuple[dict, dict]:
    asked = {"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}
    return (
        {"role": "assistant", "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": call_id, "content": json.dumps(result)},
    )


def replies(**asked):
    """Successful replies of many seeds."""
    answers = (Script(seed).reply(request(**asked), attempt=1) for seed in range(60))
    return [answer.body["choices"][0]["message"] for answer in answers]


def called(message: dict) -> tuple[str, dict]:
    function = message["tool_calls"][0]["function"]
    return function["name"], json.loads(function["arguments"])


def test_the_same_seed_and_request_get_the_same_reply():
    asked = request("Where is my parcel? Order A-1042.")
    assert Script(7).reply(asked) == Script(7).reply(asked)
    assert Script(7).reply(asked) != Script(8).reply(asked)


def test_a_prompt_that_says_so_looks_an_order_up_before_a_refund():
    question = "I want a refund of 20.00 EUR for order A-1042."
    assert {called(one)[0] for one in replies(question=question, system=prompt("baseline"))} == {"look_up_order"}
    assert {called(one)[0] for one in replies(question=question, system=prompt("tuned"))} == {"look_up_order"}
    asked = [called(one) for one in replies(question=question, system=prompt("larger_model"))]
    assert asked == [("issue_refund", {"order_number": "A-1042", "amount_cents": 2000})] * 60


def test_a_prompt_that_says_so_completes_order_numbers():
    question = "Where is my parcel? Order 1042."
    assert {called(one)[1]["order_number"] for one in replies(question=question, system=prompt("tuned"))} == {"A-1042"}
    assert {called(one)[1]["order_number"] for one in replies(question=question, system=prompt("baseline"))} == {"1042"}


def test_a_refusal_by_a_tool_is_mostly_learnt_from():
    refused = call("track_parcel", {"error": "there is no order '1042'; order numbers look like A-1042"})
    again = replies(question="Where is my parcel? Order 1042.", system=prompt("baseline"), turns=refused)
    numbers = [called(one)[1]["order_number"] for one in again]
    assert set(numbers) == {"A-1042", "#1042"}
    assert 0.5 < numbers.count("A-1042") / 60 < 0.9


def test_when_the_tools_have_done_it_the_customer_gets_an_answer():
    done = call("track_parcel", {"order_number": "A-1042", "parcel": "delivered"})
    answers = replies(question="Where is my parcel? Order A-1042.", turns=done)
    assert all(isinstance(one["content"], str) for one in answers if one.get("content") is not None)
    assert not any("tool_calls" in one for one in answers)


@pytest.mark.parametrize("model", MODELS)
def test_usage_adds_up_and_repeated_prefixes_are_cached_in_steps(model):
    turns = call("track_parcel", {"order_number": "A-1042", "parcel": "delivered"})
    system = "Be kind. " * 900
    first = Script().reply(request("Where? Order A-1042.", system, model), attempt=1).body["usage"]
    second = Script().reply(request("Where? Order A-1042.", system, model, turns), attempt=1).body["usage"]
    for usage in (first, second):
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    cached = second["prompt_tokens_details"]["cached_tokens"]
    assert cached % CACHE_STEP == 0
    assert first["prompt_tokens"] - CACHE_STEP < cached <= first["prompt_tokens"] < second["prompt_tokens"]


def test_a_short_prefix_is_not_cached():
    turns = call("track_parcel", {"order_number": "A-1042", "parcel": "delivered"})
    usage = Script().reply(request("Where? Order A-1042.", "Be kind.", turns=turns), attempt=1).body["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0


def test_a_few_first_attempts_are_rate_limited_and_no_second_one_is():
    questions = [request(f"Where? Order A-1{number:03d}.") for number in range(1000)]
    limited = [asked for asked in questions if Script().reply(asked).status == 429]
    assert 2 < len(limited) < 30
    assert {Script().reply(asked, attempt=1).status for asked in limited} == {200}


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"model": "gpt-4.1", "stream": True, "messages": []}, 400),
        ({"model": "another", "messages": []}, 404),
        ({"model": "gpt-4.1"}, 400),
        ({"model": "gpt-4.1", "messages": [{"content": "no role"}]}, 400),
        ({"model": "gpt-4.1", "messages": "text"}, 400),
        ({"model": "gpt-4.1", "messages": [{"role": "tool", "tool_call_id": "unknown", "content": "{}"}]}, 400),
        ({"model": "gpt-4.1", "messages": [], "tools": [{"type": "function"}]}, 400),
        ({"model": "gpt-4.1", "messages": [], "tools": 5}, 400),
    ],
)
def test_a_bad_request_gets_the_api_s_error(asked, status):
    reply = Script().reply(asked)
    assert reply.status == status
    assert reply.body["error"]["message"]


def test_pace_is_what_time_is_multiplied_by():
    asked = request("Where? Order A-1042.")
    slow, fast = (Script(pace=pace).reply(asked, attempt=1).after_s for pace in (1.0, 0.1))
    assert slow == pytest.approx(10 * fast)
    assert 0.3 < slow < 3
