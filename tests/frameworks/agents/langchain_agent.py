"""LangChain's agent, which is a LangGraph graph."""

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI
from story import QUESTION, get_weather, tell


def ask(model: str) -> str:
    agent = create_agent(ChatOpenAI(model=model, max_retries=0), tools=[get_weather], name="weather")
    return agent.invoke({"messages": [{"role": "user", "content": QUESTION}]})["messages"][-1].content


tell(ask)
