"""A Haystack agent in a pipeline."""

from haystack import Pipeline
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import create_tool_from_function
from haystack.utils import Secret
from story import OPENAI, QUESTION, get_weather, tell


def ask(model: str) -> str:
    chat = OpenAIChatGenerator(model=model, api_base_url=OPENAI, api_key=Secret.from_token("none"), max_retries=0)
    pipeline = Pipeline()
    pipeline.add_component("weather", Agent(chat_generator=chat, tools=[create_tool_from_function(get_weather)]))
    result = pipeline.run({"weather": {"messages": [ChatMessage.from_user(QUESTION)]}})
    return result["weather"]["messages"][-1].text


tell(ask)
