"""The evidence of a decision: what the store was asked and what it answered, kept so that it can be judged again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from flightdeck.judge.cells import Cell, folded
from flightdeck.ledger import Ledger
from flightdeck.models import DataQuality, Diff, DiffConfig, DiffRequest, Policy
from flightdeck.pricing.tariff import UsageKey
from flightdeck.releases.diff import Options, diff
from flightdeck.releases.evidence import Evidence

FORMAT = 1
LARGEST_INTEGER = 2**53 - 1
"""Larger integers (money in pico-USD, squares) are kept as text: canonical JSON, and many readers, would round them."""

MANY_CELLS = 20_000
"""Cells up to which all are kept; beyond, tenants and tasks are merged until there are fewer."""
KEPT_TENANTS = 200
KEPT_TASKS = 20

ANSWERS: dict[str, TypeAdapter[Any]] = {
    "usage_keys": TypeAdapter(list[UsageKey]),
    "cells": TypeAdapter(list[Cell]),
    "quality": TypeAdapter(DataQuality),
}
"""How each question's answer is read back."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Evidence that remembers what it was asked and what it answered."""

    source: Evidence
    asked: list[dict[str, Any]] = field(default_factory=list)

    def evidence(self) -> Evidence:
        """The source, listened to."""
        return Evidence(**{one.name: self._listened(one.name) for one in fields(Evidence)})

    def _listened(self, question: str) -> Callable[..., Any]:
        ask = getattr(self.source, question)

        def listened(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the question's are
            answer = ask(*arguments, **named)
            entry: dict[str, Any] = {"question": question, "arguments": plain([*arguments, *named.values()])}
            kept = answer
            if question == "cells" and len(answer) > MANY_CELLS:
                kept = folded(answer, most_tenants=KEPT_TENANTS, most_tasks=KEPT_TASKS)
                entry["merged_from"] = len(answer)
            self.asked.append({**entry, "answer": plain(kept)})
            return answer

        return listened


def document(recorder: Recorder, request: DiffRequest, found: Diff, policy: Policy, options: Options) -> dict[str, Any]:
    """All that a decision was judged on, as JSON: the runs' cells with their prices, the policy, the whole answer."""
    answer: dict[str, Any] = plain(found)
    return {
        "format": FORMAT,
        "request": plain(request),
        "as_of": found.policy.evaluated_at.isoformat(),
        "policy": plain(policy),
        "config": plain(options.config),
        "asked": recorder.asked,
        "diff": answer,
    }


def judged_again(evidence: dict[str, Any], ledger: Ledger) -> Diff:
    """The same question, answered by the recorded cells instead of the store.

    ``ledger`` is asked for the two releases and their pricing tables, for the answer's sake only: costs are recorded.
    """
    left: dict[str, list[Any]] = {name: [] for name in ANSWERS}
    for entry in evidence["asked"]:
        left[entry["question"]].append(ANSWERS[entry["question"]].validate_python(entry["answer"]))

    def answered(question: str) -> Callable[..., Any]:
        def answer(*_: object, **__: object) -> Any:  # noqa: ANN401 - whatever was answered
            return left[question].pop(0)

        return answer

    return diff(
        DiffRequest.model_validate(evidence["request"]),
        ledger,
        Evidence(**{name: answered(name) for name in ANSWERS}),
        Options(DiffConfig.model_validate(evidence["config"]), evidence["request"]["environment"]),
        datetime.fromisoformat(evidence["as_of"]),
        Policy.model_validate(evidence["policy"]),
    )


def plain(value: Any) -> Any:  # noqa: ANN401 - anything to JSON
    """JSON of it, in which integers that a float can't hold are text and numbers that JSON has not are null."""
    return _exact(to_jsonable_python(value, inf_nan_mode="null"))


def _exact(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {key: _exact(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(part) for part in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_INTEGER:
        return str(value)
    if isinstance(value, float) and (value != value or value in {float("inf"), float("-inf")}):  # noqa: PLR0124 - NaN
        return None
    return value
