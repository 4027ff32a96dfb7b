"""An AutoGen assistant, which reports to the global TracerProvider by itself."""

from autogen_agentchat.agents import AssistantAgent
from autogen_ext.models.openai import OpenAIChatCompletionClient
from story import OPENAI, QUESTION, get_weather, tell_async

ABLE = {"vision": False, "function_calling": True, "json_output": False, "family": "gpt-4", "structured_output": False}


async def ask(model: str) -> str:
    client = OpenAIChatCompletionClient(model=model, base_url=OPENAI, api_key="none", model_info=ABLE, max_retries=0)
    agent = AssistantAgent("weather", client, tools=[get_weather], reflect_on_tool_use=True)
    return (await agent.run(task=QUESTION)).messages[-1].to_text()


tell_async(ask)
