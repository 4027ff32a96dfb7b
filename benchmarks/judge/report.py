"""Rows of a table: what was found, what the design says, and whether they agree within three standard errors.

A figure of a rule that is not in use can't be reproduced where the design leaves its world open. It is named as such,
and never counts as agreeing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Row:
    """One figure: a share of ``worlds`` simulated ones, or an exact number (``worlds`` 0).

    ``given`` is whether the design, or what was chosen for it, settles the world.
    """

    table: str
    what: str
    rule: str
    found: float
    worlds: int
    design: float | None = None
    given: bool = True

    @property
    def error(self) -> float:
        """Standard error of the difference: both shares were simulated (the design's with 2,000 worlds)."""
        if not self.worlds or self.design is None:
            return 0.0
        p = min(max((self.found + self.design) / 2, 1e-3), 1 - 1e-3)
        return math.sqrt(p * (1 - p) * (1 / self.worlds + 1 / 2000))

    @property
    def shown(self) -> str:
        """In the column of agreement."""
        if self.agrees is not None:
            return "yes" if self.agrees else "**no**"
        return "" if self.design is None else "world not given"

    @property
    def agrees(self) -> bool | None:
        """None where the design names no figure, or not the world that it depends on.

        Design figures are rounded: half of the last digit is allowed.
        """
        if self.design is None or not self.given:
            return None
        if not self.worlds:
            return abs(self.found - self.design) <= 0.01 * abs(self.design) + 0.0051
        return abs(self.found - self.design) <= 3 * self.error + 0.0051


@dataclass
class Report:
    """All rows, in order."""

    rows: list[Row] = field(default_factory=list)

    def add(
        self,
        table: str,
        what: str,
        rule: str,
        found: float,
        worlds: int,
        design: float | None = None,
        *,
        given: bool = True,
    ) -> None:
        self.rows.append(Row(table, what, rule, float(found), worlds, design, given))

    def markdown(self) -> str:
        lines = []
        for table in dict.fromkeys(row.table for row in self.rows):
            lines += [f"\n### {table}\n", "|case|rule|found|design|agrees|", "|---|---|---|---|---|"]
            for row in (row for row in self.rows if row.table == table):
                design = "" if row.design is None else f"{row.design:,.4g}"
                lines.append(f"|{row.what}|{row.rule}|{row.found:,.4g}|{design}|{row.shown}|")
        return "\n".join(lines)

    @property
    def disagreements(self) -> int:
        """Figures that were compared and differ."""
        return sum(row.agrees is False for row in self.rows)

    def summary(self) -> str:
        """How many figures of the design agree, differ, and can't be compared."""
        compared = sum(row.agrees is not None for row in self.rows)
        unknown = sum(row.design is not None and not row.given for row in self.rows)
        return (
            f"{compared} figures compared, {self.disagreements} differ; "
            f"{unknown} others, of rules that are not in use, depend on a world that is not given"
        )
