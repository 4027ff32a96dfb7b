"""LiteLLM, in an agent's loop of our own."""

import json

import litellm
from story import OPENAI, QUESTION, agent, call_tool, tell

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ask(model: str) -> str:
    with agent():
        messages = [{"role": "user", "content": QUESTION}]
        while True:
            response = litellm.completion(
                model=f"openai/{model}", api_base=OPENAI, messages=messages, tools=[TOOL], num_retries=0
            )
            reply = response.choices[0].message
            if not reply.tool_calls:
                return reply.content
            messages.append(reply.model_dump(exclude_none=True))
            for call in reply.tool_calls:
                result = call_tool(call.function.name, json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


tell(ask)
