"""The rules a guardrail is judged by: the policy's numbers in the form that the tests take."""

from __future__ import annotations

from dataclasses import dataclass

from flightdeck.judge.critical import Critical
from flightdeck.models.statistics import Guardrail, Statistics


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one guardrail.

    Attributes:
        guardrail: metric, margin and direction.
        statistics: the policy's.
        clustered: whether the variance is taken between clusters.
    """

    guardrail: Guardrail
    statistics: Statistics
    clustered: bool

    @property
    def harm(self) -> int:
        """1 where higher is worse, -1 where lower is."""
        return self.guardrail.harm

    @property
    def k(self) -> float:
        """What the baseline is multiplied by: a candidate at the margin equals k * baseline + offset."""
        return 1 + self.harm * self.guardrail.relative if self.guardrail.relative is not None else 1.0

    @property
    def offset(self) -> float:
        """The absolute margin, 0 where it is relative."""
        return self.guardrail.absolute or 0.0

    def gap(self, baseline: float) -> float:
        """The margin in the metric's unit."""
        relative = self.guardrail.relative
        return self.offset if relative is None else relative * baseline

    def critical(self, gap: float) -> Critical:
        """For harm that may reach ``gap``."""
        return Critical.at(self.statistics.alpha, self.statistics.power, gap, sequential=self.statistics.sequential)
