"""Pydantic AI, which instruments itself once it is told to; without a word about it, with prompts."""

from pydantic_ai import Agent, InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel
from story import QUESTION, get_weather, tell_async

Agent.instrument_all(InstrumentationSettings(include_content=False))


async def ask(model: str) -> str:
    agent = Agent(OpenAIChatModel(model), name="weather", tools=[get_weather])
    return (await agent.run(QUESTION)).output


tell_async(ask)
