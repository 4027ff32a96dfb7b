"""D16: right on what the vendors' real client libraries return, asked over HTTP of a scripted model."""

import asyncio
import subprocess
import sys
import warnings
from collections.abc import Iterator

import pytest

from flightdeck.integrations.anthropic_messages import (
    run_event_from_anthropic_message,
    token_totals_from_anthropic_message,
)
from flightdeck.integrations.openai_agents import (
    run_event_from_openai_agents_result,
    token_totals_from_openai_agents_result,
)
from flightdeck.integrations.openai_chat import (
    run_event_from_openai_chat_completion,
    token_totals_from_openai_chat_completion,
)
from tests.llm import Model

IDS = {
    "agent_id": "support",
    "release_id": "rel_0123456789ab",
    "run_id": "run-1",
    "tenant_id": "acme",
    "task_id": "ask",
    "environment": "prod",
}
MINI = "gpt-4.1-mini-2025-04-14"
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]


@pytest.fixture(scope="module")
def llm() -> Iterator[Model]:
    with Model() as llm:
        yield llm


def row(provider: str, model: str, **counts: int) -> dict:
    zeros = dict.fromkeys(("cached_input_tokens", "cache_creation_input_tokens", "reasoning_tokens"), 0)
    return {"provider": provider, "model": model, **zeros, **counts}


def models(event) -> list[dict]:
    return [one.model_dump() for one in event.usage.models]


@pytest.mark.contract("C5.02")
def test_a_chat_completion(llm):
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{llm.url}/v1", api_key="none") as client:
        response = client.chat.completions.create(model="gpt-4.1-mini", messages=QUESTION)
    assert token_totals_from_openai_chat_completion(response) == (100, 10, 20, MINI)
    assert token_totals_from_openai_chat_completion(response.model_dump()) == (100, 10, 20, MINI)
    event = run_event_from_openai_chat_completion(response, **IDS)
    assert event.labels == {"integration": "openai_chat"}
    counts = {"calls": 1, "input_tokens": 100, "cached_input_tokens": 20, "output_tokens": 10, "reasoning_tokens": 2}
    assert models(event) == [row("openai", MINI, **counts)]


@pytest.mark.contract("C5.02")
def test_an_anthropic_message_counts_what_went_through_the_cache_as_input():
    types = pytest.importorskip("anthropic.types")
    usage = types.Usage(input_tokens=1000, output_tokens=5, cache_read_input_tokens=100, cache_creation_input_tokens=50)
    message = types.Message(
        id="msg_1", type="message", role="assistant", model="claude-sonnet-4-5", content=[], usage=usage
    )
    assert token_totals_from_anthropic_message(message) == (1150, 5, 100, "claude-sonnet-4-5")
    (told,) = models(run_event_from_anthropic_message(message, **IDS))
    assert told == row(
        "anthropic",
        "claude-sonnet-4-5",
        calls=1,
        input_tokens=1150,
        cached_input_tokens=100,
        cache_creation_input_tokens=50,
        output_tokens=5,
    )


def test_a_message_over_http(llm):
    anthropic = pytest.importorskip("anthropic")
    with warnings.catch_warnings(action="ignore"), anthropic.Anthropic(base_url=llm.url, api_key="none") as client:
        message = client.messages.create(model="claude-sonnet-4-5", max_tokens=64, messages=QUESTION)
    assert token_totals_from_anthropic_message(message) == (100, 10, 20, "claude-sonnet-4-5-20250929")


class TestOpenAIAgents:
    @pytest.fixture
    def agents(self):
        agents = pytest.importorskip("agents")
        agents.set_tracing_disabled(True)
        return agents

    def model(self, agents, llm, name: str):
        from openai import AsyncOpenAI

        client = AsyncOpenAI(base_url=f"{llm.url}/v1", api_key="none")
        return agents.OpenAIResponsesModel(model=name, openai_client=client)

    def agent(self, agents, llm, name: str = "gpt-4.1-mini", **more):
        @agents.function_tool
        def get_weather(city: str) -> str:
            """Tells the weather."""
            return f"sunny in {city}"

        return agents.Agent(name="weather", model=self.model(agents, llm, name), tools=[get_weather], **more)

    @pytest.mark.parametrize("streamed", [False, True])
    @pytest.mark.contract("C5.02")
    def test_a_run_has_all_its_calls_and_tools(self, agents, llm, streamed):
        async def run():
            agent = self.agent(agents, llm)
            if not streamed:
                return await agents.Runner.run(agent, "weather?")
            result = agents.Runner.run_streamed(agent, "weather?")
            async for _ in result.stream_events():
                pass
            return result

        result = asyncio.run(run())
        assert token_totals_from_openai_agents_result(result) == (250, 25, 60, "gpt-4.1-mini")
        event = run_event_from_openai_agents_result(result, **IDS, latency_ms=12)
        counts = {"input_tokens": 250, "cached_input_tokens": 60, "output_tokens": 25, "reasoning_tokens": 4}
        assert models(event) == [row("openai", "gpt-4.1-mini", calls=2, **counts)]
        assert [(tool.tool_name, tool.invocations) for tool in event.usage.tools] == [("get_weather", 1)]
        assert (event.labels, event.metrics.latency_ms) == ({"integration": "openai_agents"}, 12)

    def test_every_agent_of_a_handoff_has_its_own_model(self, agents, llm):
        second = self.agent(agents, llm, "gpt-4.1")
        first = agents.Agent(name="desk", model=self.model(agents, llm, "gpt-4.1-mini"), handoffs=[second])
        result = asyncio.run(agents.Runner.run(first, "weather?"))
        told = {(one["model"], one["calls"]): one["input_tokens"] for one in models(self.event(result))}
        assert told == {("gpt-4.1-mini", 1): 100, ("gpt-4.1", 1): 150}

    def test_an_agent_that_ran_as_a_tool_is_counted_under_the_model_the_caller_names(self, agents, llm):
        inner = self.agent(agents, llm)
        tool = inner.as_tool(tool_name="ask_weather", tool_description="asks")
        outer = agents.Agent(name="desk", model=self.model(agents, llm, "gpt-4.1"), tools=[tool])
        before = len(llm.answered)
        result = asyncio.run(agents.Runner.run(outer, "weather?"))
        used = llm.answered[before:]
        assert len(used) == 4
        event = self.event(result, model="gpt-4.1-mini")
        assert event.usage.model.input_tokens == sum(call.input for call in used)
        assert {one["model"] for one in models(event)} == {"gpt-4.1", "gpt-4.1-mini"}
        assert {one["model"] for one in models(self.event(result))} == {"gpt-4.1", "unknown"}

    def event(self, result, **more):
        return run_event_from_openai_agents_result(result, **IDS, **more)


LANGCHAIN_COUNTS = {
    "calls": 1,
    "input_tokens": 100,
    "cached_input_tokens": 40,
    "cache_creation_input_tokens": 5,
    "output_tokens": 10,
    "reasoning_tokens": 3,
}


class TestLangChain:
    @pytest.fixture(autouse=True)
    def _installed(self):
        pytest.importorskip("langchain_core")

    def handler(self, **more):
        from flightdeck.integrations.langchain_callback import FlightDeckLangChainCallbackHandler

        return FlightDeckLangChainCallbackHandler(**IDS, **more)

    def message(self, **more):
        from langchain_core.messages import AIMessage

        usage = {
            "input_tokens": 100,
            "output_tokens": 10,
            "total_tokens": 110,
            "input_token_details": {"cache_read": 40, "cache_creation": 5},
            "output_token_details": {"reasoning": 3},
        }
        return AIMessage("hi", usage_metadata=usage, response_metadata={"model_name": "gpt-4.1"} | more)

    def result(self, *messages, **output):
        from langchain_core.outputs import ChatGeneration, LLMResult

        return LLMResult(generations=[[ChatGeneration(message=one) for one in messages]], llm_output=output or None)

    @pytest.mark.contract("C5.02")
    def test_tokens_that_are_reported_twice_count_once(self):
        handler = self.handler()
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}}
        handler.on_llm_end(self.result(self.message(), token_usage=usage, model_name="gpt-4.1"))
        event = handler.to_run_event(latency_ms=4, trace_id="t", session_id="s")
        assert models(event) == [row("openai", "gpt-4.1", **LANGCHAIN_COUNTS)]
        assert event.usage.model.model == "gpt-4.1"
        assert event.labels == {"integration": "langchain"}
        assert (event.request.trace_id, event.request.session_id, event.metrics.latency_ms) == ("t", "s", 4)

    def test_the_model_is_known_from_the_message_alone_and_so_is_its_provider(self):
        handler = self.handler(labels={"team": "a"})
        handler.on_llm_end(self.result(self.message(model_provider="anthropic", model_name="claude")))
        event = handler.to_run_event(success=False, error_type="Timeout")
        assert models(event) == [row("anthropic", "claude", **LANGCHAIN_COUNTS)]
        assert event.labels == {"integration": "langchain", "team": "a"}
        assert (event.metrics.success, event.metrics.error_type) == (False, "Timeout")

    def test_candidates_of_one_call_carry_its_tokens_once(self):
        handler = self.handler()
        handler.on_llm_end(self.result(self.message(), self.message()))
        assert models(handler.to_run_event()) == [row("openai", "gpt-4.1", **LANGCHAIN_COUNTS)]

    def test_the_output_alone_is_enough(self):
        handler = self.handler(provider="mistral")
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}}
        handler.on_llm_end(self.result(token_usage=usage, model="small"))
        counts = {"calls": 1, "input_tokens": 100, "cached_input_tokens": 40, "output_tokens": 10}
        assert models(handler.to_run_event()) == [row("mistral", "small", **counts)]

    def test_a_run_without_any_call_is_1_3s(self):
        event = self.handler().to_run_event()
        assert (event.usage.models, event.usage.calls_without_usage, event.usage.tools) == ([], 0, [])

    def test_real_models_and_tools_report_to_the_handler(self):
        from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
        from langchain_core.messages import AIMessage
        from langchain_core.tools import tool

        @tool
        def get_weather(city: str) -> str:
            """Tells the weather."""
            return f"sunny in {city}"

        handler = self.handler()
        model = GenericFakeChatModel(messages=iter([self.message(), self.message(), AIMessage("bare")]))
        config = {"callbacks": [handler]}
        model.invoke("weather?", config=config)
        asyncio.run(model.ainvoke("weather?", config=config))
        model.invoke("again?", config=config)
        get_weather.invoke({"city": "Paris"}, config=config)
        event = handler.to_run_event()
        (told,) = models(event)
        assert (told["calls"], told["input_tokens"], event.usage.calls_without_usage) == (2, 200, 1)
        assert [(tool.tool_name, tool.invocations) for tool in event.usage.tools] == [("get_weather", 1)]


def test_without_langchain_the_handler_says_what_it_needs():
    code = """
import sys
import warnings
sys.modules["langchain_core"] = None
try:
    from flightdeck.integrations.langchain_callback import FlightDeckLangChainCallbackHandler
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install langchain-core" in done.stdout
