"""The explanation of a diff: what contributes most to each metric's difference, and runs to look at."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from flightdeck.models.described import Described
from flightdeck.models.fields import Count

DriverKind = Literal["task", "model", "tenant", "error_type"]


class Driver(Described):
    """One task, model, tenant or error type, and its part in a metric's difference.

    The parts of all tasks sum up to the difference, and so do those of all models, tenants, and error types.
    """

    kind: DriverKind
    name: str
    """"" where runs name none. A run with several models counts under the one that wrote most of its output."""
    contribution: float
    """In the metric's unit: how much smaller the difference of the means would be if these runs had added to both sides
    alike. A share of runs that moved contributes by how far its runs lie from the mean of both releases."""
    share: float | None
    """The contribution as a share of the difference; null where there is none."""
    baseline_runs: Count
    candidate_runs: Count
    baseline: float | None
    """Mean over these runs; null without one. Of an error type: its failures among all runs of the side."""
    candidate: float | None
    example_run_ids: list[str] = Field(default_factory=list)
    """Runs of the candidate: failed ones for error_rate, the dearest or slowest ones else."""


class MetricDrivers(Described):
    """What moved one metric, without standardisation: error_rate (share), latency_ms (ms), cost_usd (USD)."""

    metric: str
    unit: str
    baseline: float | None
    candidate: float | None
    difference: float | None
    """Candidate minus baseline, of plain means."""
    drivers: list[Driver] = Field(default_factory=list)
    """The largest of each kind, by absolute contribution. A kind of which there is a single one is left out."""


class Explanation(Described):
    """What drives a diff, metric by metric."""

    metrics: list[MetricDrivers] = Field(default_factory=list)
