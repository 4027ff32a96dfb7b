"""Pydantic AI, which instruments itself once it is told to."""

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from story import QUESTION, get_weather, tell_async

Agent.instrument_all()


async def ask(model: str) -> str:
    agent = Agent(OpenAIChatModel(model), name="weather", tools=[get_weather])
    return (await agent.run(QUESTION)).output


tell_async(ask)
