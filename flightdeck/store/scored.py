"""Scores of runs in a query: what evaluations said of each run, by name, as one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flightdeck.judge.cells import Moments
from flightdeck.store.cohort import CohortQuery

GOOD = ("1", "acceptable", "correct", "good", "pass", "passed", "relevant", "true", "yes")
"""Labels that are the number 1, in lower case, where an evaluation gave no number."""
BAD = ("0", "bad", "fail", "failed", "false", "incorrect", "irrelevant", "no", "unacceptable")
"""Labels that are the number 0."""

LARGEST = 1e75
"""The largest score that is one: the sum of the cubes of as many as the store holds is still a number."""

_WIDTH = 6
"""Columns of one score: five of its moments, and the values that were left out."""

_VALUE = (
    "ifNull({value}, transform(lower(ifNull({label}, '')), {labels:Array(String)}, {numbers:Array(Float64)}, NULL))"
)
_SAID = """
    arrayMap(v -> assumeNotNull(v), arrayFilter(v -> isNotNull(v), arrayMap(
        (v, l) -> {number},
        arrayFilter((v, n) -> n = {name}, `scores.value`, `scores.name`),
        arrayFilter((l, n) -> n = {name}, `scores.label`, `scores.name`))))"""


@dataclass(frozen=True, slots=True)
class RunScores:
    """The scores of some names.

    Native events bring theirs along. Those of log records are found by trace: a score belongs to the run of the span it
    names, else to the only run of its trace.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str]) -> RunScores:
        """Of these names, in this order."""
        return cls(tuple(names))

    def columns(self) -> list[str]:
        """Of each run: the mean of its values of each name, NULL without one; what is too large apart."""
        columns = []
        for number in range(len(self.names)):
            said = _SAID.replace("{number}", _value("v", "l")).replace("{name}", f"{{score_{number}:String}}")
            columns += [
                f"{said} AS said_{number}",
                f"if(empty(said_{number}), NULL, arrayAvg(said_{number})) AS any_{number}",
                f"if(abs(any_{number}) <= {LARGEST}, any_{number}, NULL) AS score_{number}",
            ]
        return columns

    def sums(self) -> list[str]:
        """Of each cell."""
        return [
            column
            for score in (f"score_{number}" for number in range(len(self.names)))
            for column in (
                f"count({score})",
                f"sum(ifNull({score}, 0))",
                f"sum(ifNull({score} * {score}, 0))",
                f"sum(ifNull({score} * {score} * {score}, 0))",
                f"ifNull(max({score}), 0)",
                f"count({score.replace('score', 'any')}) - count({score})",
            )
        ]

    def parameters(self, cohort: CohortQuery) -> Mapping[str, Any]:
        """What the columns bind."""
        del cohort
        return {
            "labels": [*GOOD, *BAD],
            "numbers": [1.0] * len(GOOD) + [0.0] * len(BAD),
            **{f"score_{number}": name for number, name in enumerate(self.names)},
        }

    def source(self) -> str:
        """What is read."""
        return "runs FINAL"

    def read(self, row: Sequence[Any]) -> tuple[tuple[tuple[str, Moments], ...], int]:
        """The moments of each name that the cell's runs have, and how many values were left out."""
        found, left_out = [], 0
        for number, name in enumerate(self.names):
            n, total, squares, cubes, most, too_large = row[number * _WIDTH : (number + 1) * _WIDTH]
            left_out += too_large
            if n:
                found.append((name, Moments(n, total, squares, cubes, most)))
        return tuple(found), left_out


def _value(value: str, label: str) -> str:
    return _VALUE.replace("{value}", value).replace("{label}", label)
