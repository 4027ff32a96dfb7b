"""The vectorised formulas against the judge itself, on random cells: they must be the same to 9 digits."""

from __future__ import annotations

import numpy as np

from benchmarks.judge import fast, worlds
from benchmarks.judge.fast import Rule, Sums
from flightdeck.judge import failures, means
from flightdeck.judge.comparison import compare
from flightdeck.judge.rules import Rules
from flightdeck.judge.series import Frame, Series
from flightdeck.models.statistics import Guardrail, Statistics


def check(rng: np.random.Generator, count: int = 20) -> None:
    """Raises AssertionError where a p differs."""
    sizes = worlds.zipf(12, 600)
    for sequential in (False, True):
        for clustered in (False, True):
            for _ in range(count):
                factors = worlds.tenant_means(rng, 2, 12, 0.3)
                parts = [
                    [factors[side, at] * worlds.lognormal(rng, 0.8, (size,)) for at, size in enumerate(sizes)]
                    for side in (0, 1)
                ]
                sums = [_stacked([Sums.of(values) for values in side]) for side in parts]
                rates = worlds.tenant_errors(rng, 2, 12, 0.08)
                failed = [Sums.failures(rng.binomial(sizes, rate).astype(float), sizes.astype(float)) for rate in rates]
                _same(sums, sequential, clustered, Guardrail(metric="latency_ms", relative=0.1))
                _same(failed, sequential, clustered, Guardrail(metric="error_rate", absolute=0.02))


def _stacked(parts: list[Sums]) -> Sums:
    return Sums(*(np.array([getattr(one, name) for one in parts]) for name in ("n", "mean", "ss")))


def _same(sides: list[Sums], sequential: bool, clustered: bool, guardrail: Guardrail) -> None:
    m = len(sides[0].n)
    side, zeros = np.repeat([0, 1], m), np.zeros(2 * m, dtype=np.int64)
    frame = Frame((), side, zeros, np.tile(np.arange(m), 2), zeros, ["all"], [str(at) for at in range(m)])
    n, mean, ss = (np.concatenate([getattr(one, name) for one in sides]) for name in ("n", "mean", "ss"))
    found = compare(Series(frame, n, mean, ss, (int(n[:m].sum()), int(n[m:].sum())), (0, 0)), zeros, 5)
    assert found is not None
    rules = Rules(guardrail, Statistics(sequential=sequential), clustered=clustered)
    own = (failures.error_rate if guardrail.metric == "error_rate" else means.mean)(found, rules).test
    assert own is not None
    test = fast.error_test if guardrail.metric == "error_rate" else fast.mean_test
    b, c = sides if clustered else [one.pooled() for one in sides]
    margin = guardrail.absolute or guardrail.relative or 0.0
    passed, failed = test(b, c, margin, Rule(sequential=sequential), tenants=clustered)
    np.testing.assert_allclose([float(passed), float(failed)], [own.p_pass, own.p_fail], rtol=1e-7, atol=1e-12)
