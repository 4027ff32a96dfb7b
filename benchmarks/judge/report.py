"""Rows of a table: what was found, what the design says, and whether they agree within three standard errors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Row:
    """One figure: a share of ``worlds`` simulated ones, or an exact number (``worlds`` 0)."""

    table: str
    what: str
    rule: str
    found: float
    worlds: int
    design: float | None = None

    @property
    def error(self) -> float:
        """Standard error of the difference: both shares were simulated (the design's with 2,000 worlds)."""
        if not self.worlds or self.design is None:
            return 0.0
        p = min(max((self.found + self.design) / 2, 1e-3), 1 - 1e-3)
        return math.sqrt(p * (1 - p) * (1 / self.worlds + 1 / 2000))

    @property
    def agrees(self) -> bool | None:
        """None where the design names no figure. Design figures are rounded: half of the last digit is allowed."""
        if self.design is None:
            return None
        if not self.worlds:
            return abs(self.found - self.design) <= 0.01 * abs(self.design) + 0.0051
        return abs(self.found - self.design) <= 3 * self.error + 0.0051


@dataclass
class Report:
    """All rows, in order."""

    rows: list[Row] = field(default_factory=list)

    def add(self, table: str, what: str, rule: str, found: float, worlds: int, design: float | None = None) -> None:
        self.rows.append(Row(table, what, rule, float(found), worlds, design))

    def markdown(self) -> str:
        lines = []
        for table in dict.fromkeys(row.table for row in self.rows):
            lines += [f"\n### {table}\n", "|case|rule|found|design|agrees|", "|---|---|---|---|---|"]
            for row in (row for row in self.rows if row.table == table):
                shown = {None: "", True: "yes", False: "**no**"}[row.agrees]
                design = "" if row.design is None else f"{row.design:,.4g}"
                lines.append(f"|{row.what}|{row.rule}|{row.found:,.4g}|{design}|{shown}|")
        return "\n".join(lines)

    @property
    def disagreements(self) -> int:
        return sum(1 for row in self.rows if row.agrees is False)
