"""A CrewAI crew of one agent with one task."""

import os

os.environ.update(CREWAI_DISABLE_TELEMETRY="true", CREWAI_TRACING_ENABLED="false", CREWAI_DISABLE_VERSION_CHECK="true")

from crewai import LLM, Agent, Crew, Task
from crewai.tools import tool
from story import OPENAI, QUESTION, get_weather, tell


def ask(model: str) -> str:
    llm = LLM(model=f"openai/{model}", base_url=OPENAI, api_key="none", max_retries=0)
    agent = Agent(role="weather", goal="tell the weather", backstory="a desk", tools=[tool(get_weather)], llm=llm)
    task = Task(description=QUESTION, expected_output="one sentence", agent=agent)
    return Crew(name="weather_desk", agents=[agent], tasks=[task]).kickoff().raw


tell(ask)
