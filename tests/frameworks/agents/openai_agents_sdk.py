"""The OpenAI Agents SDK. Its own upload of traces, which needs OpenAI's servers, is off; its trace processors stay."""

from agents import Agent, Runner, function_tool, set_tracing_export_api_key
from story import QUESTION, get_weather, tell_async


async def ask(model: str) -> str:
    agent = Agent(name="weather", model=model, tools=[function_tool(get_weather)])
    return (await Runner.run(agent, QUESTION)).final_output


set_tracing_export_api_key("none")
tell_async(ask)
