"""A smolagents agent that calls tools."""

from smolagents import OpenAIServerModel, ToolCallingAgent, tool
from story import OPENAI, QUESTION, get_weather, tell


def ask(model: str) -> str:
    server = OpenAIServerModel(model_id=model, api_base=OPENAI, api_key="none", client_kwargs={"max_retries": 0})
    return ToolCallingAgent(tools=[tool(get_weather)], model=server, max_steps=3).run(QUESTION)


tell(ask)
