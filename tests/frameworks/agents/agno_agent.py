"""An Agno agent."""

from agno.agent import Agent
from agno.models.openai import OpenAIChat
from story import OPENAI, QUESTION, get_weather, tell


def ask(model: str) -> str:
    chat = OpenAIChat(id=model, base_url=OPENAI, api_key="none", max_retries=0)
    response = Agent(name="weather", model=chat, tools=[get_weather], telemetry=False).run(QUESTION)
    if str(getattr(response.status, "value", "")).upper() == "ERROR":
        raise RuntimeError(response.content)
    return response.content


tell(ask)
