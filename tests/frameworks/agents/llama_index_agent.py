"""LlamaIndex's function agent."""

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.llms.openai_like import OpenAILike
from story import OPENAI, QUESTION, get_weather, tell_async


async def ask(model: str) -> str:
    llm = OpenAILike(
        model=model, api_base=OPENAI, api_key="none", is_chat_model=True, is_function_calling_model=True, max_retries=0
    )
    agent = FunctionAgent(name="weather", tools=[get_weather], llm=llm, streaming=False)
    return str(await agent.run(QUESTION))


tell_async(ask)
