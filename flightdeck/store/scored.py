"""Scores of runs in a query: what evaluations said of each run, by name, as one number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flightdeck.judge.cells import Moments
from flightdeck.store.client import Engine
from flightdeck.store.cohort import CohortQuery
from flightdeck.store.eventrows import bound_us

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


_CLOCKS_US = 86_400_000_000

_ANY = "SELECT 1 FROM scores WHERE workspace = {workspace:UInt64} AND name IN {names:Array(String)} LIMIT 1"

_SCORES = """
    workspace = {workspace:UInt64} AND name IN {names:Array(String)}
    AND timestamp >= fromUnixTimestamp64Micro({scored_since:Int64}, 'UTC')"""
_SAID_OF_SPANS = """
    SELECT subject AS trace, span_id AS span, name, value, label FROM scores FINAL
    WHERE {scores} AND length(subject) = 32
    UNION ALL
    SELECT DISTINCT lower(hex(s.trace_id)), lower(hex(s.span_id)), said.name, said.value, said.label
    FROM (SELECT subject, name, value, label FROM scores FINAL WHERE {scores}) AS said
    INNER JOIN spans AS s ON s.response_id = said.subject
    WHERE s.workspace = {workspace:UInt64} AND s.response_id != '' AND s.landed_us >= {scored_since:Int64}""".replace(
    "{scores}", _SCORES
)
_TRACED = """
    SELECT
        r.run_id AS run_id, r.timestamp AS ended, if(r.named_by_span, substring(r.run_id, 1, 32), r.trace_id) AS trace,
        if(r.named_by_span, substring(r.run_id, 34), r.span_id) AS span
    FROM runs AS r FINAL
    WHERE {where} AND type = 'run_end' AND trace != ''"""
_WITH_LOGGED = """(
    SELECT
        r.* EXCEPT (`scores.name`, `scores.value`, `scores.label`),
        arrayConcat(r.`scores.name`, m.names) AS `scores.name`,
        arrayConcat(r.`scores.value`, m.numbers) AS `scores.value`,
        arrayConcat(r.`scores.label`, m.labels) AS `scores.label`
    FROM runs AS r FINAL
    LEFT ANY JOIN (
        SELECT
            if(exact.run_id != '', exact.run_id, first.run_id) AS run, groupArray(said.name) AS names,
            groupArray(tuple(said.value)).1 AS numbers, groupArray(toNullable(said.label)) AS labels
        FROM ({said}) AS said
        LEFT ANY JOIN ({traced}) AS exact ON exact.trace = said.trace AND exact.span = said.span
        LEFT ANY JOIN (
            SELECT trace, argMin(run_id, (ended, run_id)) AS run_id FROM ({traced}) GROUP BY trace
        ) AS first ON first.trace = said.trace
        WHERE run != ''
        GROUP BY run
    ) AS m ON m.run = r.run_id
    WHERE {where}
) AS runs""".replace("{said}", _SAID_OF_SPANS).replace("{traced}", _TRACED)


@dataclass(frozen=True, slots=True)
class RunScores:
    """The scores of some names.

    Native events bring theirs along. Those of log records are found by trace: a score belongs to the run of the span it
    names, else to the earliest run of its trace.

    Attributes:
        names: in this order.
        logged: whether log records brought any of them.
    """

    names: tuple[str, ...]
    logged: bool

    @classmethod
    def of(cls, engine: Engine, names: Sequence[str], workspace: int) -> RunScores:
        """Of these names.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        found = engine.query(_ANY, {"workspace": workspace, "names": list(names)})
        return cls(tuple(names), logged=len(found) > 0)

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
        return {
            "names": list(self.names),
            # An evaluation comes after what it judges; clocks may differ.
            "scored_since": bound_us(cohort.since) - _CLOCKS_US,
            "labels": [*GOOD, *BAD],
            "numbers": [1.0] * len(GOOD) + [0.0] * len(BAD),
            **{f"score_{number}": name for number, name in enumerate(self.names)},
        }

    def source(self) -> str:
        """What is read: runs, with the scores of log records among their own."""
        return _WITH_LOGGED if self.logged else "runs FINAL"

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
