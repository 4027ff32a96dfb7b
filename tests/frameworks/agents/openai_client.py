"""The OpenAI client, in an agent's loop of our own."""

import json

from openai import OpenAI
from story import QUESTION, agent, call_tool, tell

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
            reply = OpenAI().chat.completions.create(model=model, messages=messages, tools=[TOOL]).choices[0].message
            if not reply.tool_calls:
                return reply.content
            messages.append(reply)
            for call in reply.tool_calls:
                result = call_tool(call.function.name, json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


tell(ask)
