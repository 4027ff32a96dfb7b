"""What is wrong with an agent's runs, against what the model told it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.llm import Answered

TOKENS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cached": "cached_input_tokens",
    "creation": "cache_creation_input_tokens",
    "reasoning": "reasoning_tokens",
}


def observed(event: dict[str, Any]) -> dict[str, Any]:
    """A run without what differs from one execution to the next."""
    return {
        "run_kind": event["run_kind"],
        "success": event["metrics"]["success"],
        "error_type": event["metrics"]["error_type"],
        "models": event["usage"]["models"],
        "tools": {tool["tool_name"]: tool["invocations"] for tool in event["usage"]["tools"]},
        "calls_without_usage": event["usage"]["calls_without_usage"],
    }


def cohort(runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs that a diff counts: bare model calls stay out where there is anything else."""
    return [run for run in runs if run["run_kind"] != "llm_call"] or list(runs)


def findings(runs: Sequence[dict[str, Any]], answered: Sequence[Answered]) -> dict[str, str]:
    """Everything that is not as it should be in the cohort, by a short name: one run that succeeded, with each call and
    token that was answered and the tool's one invocation, and one that failed.
    """
    runs = cohort(runs)
    found: dict[str, str] = {}

    def hold(name: str, seen: object, right: object) -> None:
        if seen != right:
            found[name] = f"{seen} instead of {right}"

    rows = [row for run in runs for row in run["models"]]
    hold("runs", len(runs), 2)
    hold("outcomes", dict(Counter("ok" if run["success"] else "failed" for run in runs)), {"ok": 1, "failed": 1})
    hold("calls", sum(row["calls"] for row in rows), len(answered))
    for name, field in TOKENS.items():
        hold(name, sum(row[field] for row in rows), sum(getattr(call, name) for call in answered))
    hold("model", sorted({row["model"] for row in rows}), sorted({call.model for call in answered}))
    hold("provider", sorted({row["provider"] for row in rows}), [PROVIDERS[answered[0].model[:3]]] if answered else [])
    tools: Counter[str] = Counter()
    for run in runs:
        tools.update(run["tools"])
    for ending in ("final_answer", "finish"):  # smolagents and DSPy end a run by a tool of their own
        tools.pop(ending, None)
    hold("tools", dict(tools), {"get_weather": 1})
    hold("calls without usage", sum(run["calls_without_usage"] for run in runs), 0)
    return found


PROVIDERS = {"gpt": "openai", "cla": "anthropic", "gem": "google"}
