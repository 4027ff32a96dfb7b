"""A customer support agent: one ticket a line on standard input, one outcome a line on standard output.

It knows nothing of FlightDeck. Its model calls are traced by OpenTelemetry's own instrumentation of the ``openai``
client, its tickets and tools by the few OpenTelemetry lines below, and whoever starts it says where the spans go::

    opentelemetry-instrument python agent.py --release releases/baseline < tickets.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shop
import yaml
from openai import OpenAI
from opentelemetry import trace

MAX_TURNS = 8
MAX_REFUSALS = 2

tracer = trace.get_tracer("support_agent")


class NoAnswer(Exception):
    """The model had nothing to say to the customer."""


class Unresolved(Exception):
    """The ticket was not solved within the turns it may take."""


@dataclass(frozen=True, slots=True)
class Release:
    """What one release of the agent is made of: a model and a prompt."""

    model: str
    temperature: float
    max_output_tokens: int
    system: str

    @classmethod
    def read(cls, folder: Path) -> Release:
        """Reads the bundle: ``release.yaml`` and the prompt it names."""
        spec = yaml.safe_load((folder / "release.yaml").read_text(encoding="utf-8"))["spec"]
        runtime = spec["runtime"]
        return cls(
            model=runtime["model"],
            temperature=runtime["temperature"],
            max_output_tokens=runtime["max_output_tokens"],
            system=(folder / spec["prompts"]["system_ref"]).read_text(encoding="utf-8"),
        )


class SupportAgent:
    """Solves tickets with one release."""

    def __init__(self, release: Release, client: OpenAI) -> None:
        self._release = release
        self._client = client

    def solve(self, ticket: dict[str, str]) -> str:
        """The answer to one ticket; raises what made the agent give up."""
        with tracer.start_as_current_span(
            f"invoke_workflow {ticket['task']}",
            attributes={
                "gen_ai.operation.name": "invoke_workflow",
                "gen_ai.workflow.name": ticket["task"],
                "gen_ai.conversation.id": ticket["ticket"],
                "tenant.id": ticket["tenant"],
            },
        ):
            return self._converse(ticket["message"])

    def _converse(self, question: str) -> str:
        messages: list[Any] = [
            {"role": "system", "content": self._release.system},
            {"role": "user", "content": question},
        ]
        refusals = 0
        for _ in range(MAX_TURNS):
            completion = self._client.chat.completions.create(
                model=self._release.model,
                temperature=self._release.temperature,
                max_completion_tokens=self._release.max_output_tokens,
                messages=messages,
                tools=shop.TOOL_SCHEMAS,  # type: ignore[arg-type]
            )
            message = completion.choices[0].message
            if not message.tool_calls:
                if not message.content:
                    raise NoAnswer(completion.choices[0].finish_reason)
                return message.content
            messages.append(message.model_dump(exclude_none=True))
            for call in message.tool_calls:
                try:
                    result = self._use_tool(call.id, call.function.name, call.function.arguments)  # type: ignore[union-attr]
                except shop.ShopError as refusal:
                    refusals += 1
                    if refusals >= MAX_REFUSALS:
                        raise
                    result = json.dumps({"error": str(refusal)})
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
        raise Unresolved(f"no answer after {MAX_TURNS} turns")

    def _use_tool(self, call_id: str, name: str, arguments: str) -> str:
        with tracer.start_as_current_span(
            f"execute_tool {name}",
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": name,
                "gen_ai.tool.call.id": call_id,
                "gen_ai.tool.type": "function",
            },
        ):
            return shop.call(name, arguments)


def main() -> None:
    """Solves the tickets of standard input, several at a time, until it ends."""
    parser = argparse.ArgumentParser(description="Solve support tickets: one JSON object a line, from standard input.")
    parser.add_argument("--release", type=Path, required=True, help="folder of the release bundle (release.yaml)")
    parser.add_argument("--at-once", type=int, default=8, help="how many tickets are solved at the same time")
    arguments = parser.parse_args()

    agent = SupportAgent(Release.read(arguments.release), OpenAI())
    printing = threading.Lock()

    def solve(ticket: dict[str, str]) -> None:
        outcome: dict[str, str | None] = {"ticket": ticket["ticket"], "answer": None, "error": None}
        try:
            outcome["answer"] = agent.solve(ticket)
        except Exception as error:  # noqa: BLE001 - a failed ticket must not stop the others
            outcome["error"] = type(error).__name__
        with printing:
            print(json.dumps(outcome), flush=True)

    with ThreadPoolExecutor(arguments.at_once) as pool:
        for line in sys.stdin:
            pool.submit(solve, json.loads(line))


if __name__ == "__main__":
    main()
