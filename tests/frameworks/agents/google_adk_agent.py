"""An agent of Google's Agent Development Kit, which reports to the global TracerProvider by itself."""

from google.adk.agents import Agent
from google.adk.runners import InMemoryRunner
from google.genai import types
from story import QUESTION, get_weather, tell_async


async def ask(model: str) -> str:
    agent = Agent(name="weather", model=model, instruction="Use the tool.", tools=[get_weather])
    runner = InMemoryRunner(agent=agent, app_name="weather_desk")
    session = await runner.session_service.create_session(app_name="weather_desk", user_id="ann")
    message = types.Content(role="user", parts=[types.Part(text=QUESTION)])
    told = ""
    async for event in runner.run_async(user_id="ann", session_id=session.id, new_message=message):
        if getattr(event, "error_code", None):
            raise RuntimeError(event.error_code)
        for part in (event.content and event.content.parts) or ():
            told = part.text or told
    return told


tell_async(ask, "google")
