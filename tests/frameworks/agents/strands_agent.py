"""A Strands agent, which reports to the global TracerProvider by itself."""

from story import OPENAI, QUESTION, get_weather, tell
from strands import Agent, tool
from strands.models.openai import OpenAIModel


def ask(model: str) -> str:
    client = {"base_url": OPENAI, "api_key": "none", "max_retries": 0}
    agent = Agent(
        name="weather",
        model=OpenAIModel(client_args=client, model_id=model),
        tools=[tool(get_weather)],
        callback_handler=None,
    )
    return str(agent(QUESTION))


tell(ask)
