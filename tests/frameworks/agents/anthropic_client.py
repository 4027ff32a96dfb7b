"""The Anthropic client, in an agent's loop of our own."""

from anthropic import Anthropic
from story import QUESTION, agent, call_tool, tell

TOOL = {
    "name": "get_weather",
    "description": "Tells the weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def ask(model: str) -> str:
    with agent():
        messages = [{"role": "user", "content": QUESTION}]
        while True:
            reply = Anthropic().messages.create(model=model, max_tokens=64, messages=messages, tools=[TOOL])
            called = [block for block in reply.content if block.type == "tool_use"]
            if not called:
                return reply.content[0].text
            messages.append({"role": "assistant", "content": reply.content})
            results = [
                {"type": "tool_result", "tool_use_id": block.id, "content": call_tool(block.name, block.input)}
                for block in called
            ]
            messages.append({"role": "user", "content": results})


tell(ask, "anthropic")
