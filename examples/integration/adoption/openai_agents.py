"""The run of an agent of the OpenAI Agents SDK: ``pip install openai-agents``.

    python openai_agents.py
    python openai_agents.py --ingest --release-id rel_...

The agent, its tool and its result are the SDK's own; only the model is scripted, so that no key is needed.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool, set_tracing_disabled
from delivery import deliver, identity, options
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from flightdeck.integrations.openai_agents import run_event_from_openai_agents_result


@function_tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It is sunny in {city}."


class ScriptedModel(Model):
    """Calls the tool, then answers."""

    model = "gpt-4.1-mini"

    def __init__(self) -> None:
        call = ResponseFunctionToolCall(
            type="function_call", call_id="call_1", name="get_weather", arguments='{"city": "Paris"}'
        )
        text = ResponseOutputText(type="output_text", text="Sunny.", annotations=[])
        answer = ResponseOutputMessage(id="msg_1", type="message", role="assistant", status="completed", content=[text])
        self._replies = iter([(call, 300, 20), (answer, 400, 100)])

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:  # noqa: ANN401 - the SDK's long signature
        """The next reply of the script."""
        output, read, written = next(self._replies)
        usage = Usage(requests=1, input_tokens=read, output_tokens=written, total_tokens=read + written)
        return ModelResponse(output=[output], usage=usage, response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - same
        """This script does not stream."""
        raise NotImplementedError


def main() -> int:
    """One execution of the agent, one run."""
    chosen = options(__doc__)
    set_tracing_disabled(True)
    agent = Agent(name="weather", model=ScriptedModel(), tools=[get_weather])
    begin = time.monotonic()
    result = Runner.run_sync(agent, "What is the weather in Paris?")
    latency_ms = round((time.monotonic() - begin) * 1000)
    return deliver(run_event_from_openai_agents_result(result, **identity(chosen), latency_ms=latency_ms), chosen)


if __name__ == "__main__":
    sys.exit(main())
