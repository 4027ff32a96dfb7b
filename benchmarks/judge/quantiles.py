"""Coverage of quantile limits, with the judge's own code."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from benchmarks.judge import worlds
from benchmarks.judge.report import Report
from flightdeck.judge.cells import BIN_BASE
from flightdeck.judge.quantiles import QUANTILES, Bins, Pair, pair, quantile
from flightdeck.judge.rules import Rules
from flightdeck.judge.series import Frame
from flightdeck.models.statistics import Guardrail, Statistics

DESIGN = {"p50": (0.91, 0.93), "p95": (0.92, 0.98), "p99": (0.93, 1.0)}
INDEPENDENT = "10 tenants, independent"
"""Not in the design; these limits must hold what they promise, 0.90."""


def coverage(report: Report, rng: np.random.Generator, count: int) -> None:
    """90 % limits of the log ratio, 2,000 runs a side: how often they hold the truth (no effect)."""
    table = "Section 6, quantiles: cover of 90 % limits, 2,000 runs a side"
    sizes = worlds.zipf(20, 2000)
    cases = (("every run for itself", None), ("20 tenants, Zipf, shared", True), (INDEPENDENT, False))
    for what, shared in cases:
        held, without = dict.fromkeys(QUANTILES, 0), 0
        for _ in range(count):
            own = sizes if shared is not False else np.full(10, 200)
            who = np.repeat(np.arange(len(own)), own)
            factor = worlds.lognormal(rng, worlds.TENANT_SD, (2, len(own))) if shared is not None else np.ones((2, 20))
            if shared:
                factor[1] = factor[0]
            values = 1000 * factor[:, who] * worlds.lognormal(rng, worlds.LATENCY_SIGMA, (2, len(who)))
            bins = _bins(values, who, apart=shared is False)
            for name, q in QUANTILES.items():
                found = pair(bins, q, bins.frame.task, 5, clustered=shared is not None)
                held[name] += found is not None and _holds(found, name)
                if shared and name == "p50" and found is not None:
                    alone = replace(found, paired=False)
                    without += _holds(alone, name)
        for name, (low, high) in DESIGN.items():
            share = held[name] / count
            said, inside = f" (design {low}-{high})", min(max(share, low), high)
            if what == INDEPENDENT:
                said, inside = " (promised 0.90)", max(share, 0.9)
            report.add(table, f"{name}, {what}{said}", "ours", share, count, inside)
        if shared:
            report.add(table, f"p50, {what}, not paired", "ours", without / count, count, 1.0)


def _holds(found: Pair, name: str) -> bool:
    rules = Rules(Guardrail(metric="latency_ms", estimand=name, relative=0.2), Statistics(), clustered=True)  # type: ignore[arg-type]
    limits = quantile(found, rules).relative
    return (limits.low is None or limits.low <= 0) and (limits.high is None or limits.high >= 0)


def _bins(values: np.ndarray, who: np.ndarray, *, apart: bool) -> Bins:
    tenant = np.concatenate([who, who + (who.max() + 1) * apart])
    side = np.repeat([0, 1], values.shape[1])
    at = np.floor(np.log(np.maximum(values.ravel(), 1)) / math.log(BIN_BASE)).astype(np.int64)
    width = int(at.max()) + 1
    key, counts = np.unique((side * (int(tenant.max()) + 1) + tenant) * width + at, return_counts=True)
    owner, zeros = key // width, np.zeros(len(key), dtype=np.int64)
    names = [str(one) for one in range(int(tenant.max()) + 1)]
    frame = Frame((), owner // len(names), zeros, owner % len(names), zeros, ["all"], names)
    return Bins(frame, key % width, counts.astype(float))
