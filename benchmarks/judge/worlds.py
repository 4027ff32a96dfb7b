"""The worlds that are simulated. What the design leaves open is chosen here, and said in the README."""

from __future__ import annotations

import numpy as np

LATENCY_SIGMA = 0.8  # coefficient of variation 0.95
COST_SIGMA = 1.2  # coefficient of variation 1.8
TENANT_SD = 0.4  # of the log of a tenant's mean
ERRORS = 0.05
ICC = 0.02

A = np.ndarray


def lognormal(rng: np.random.Generator, sigma: float | A, size: tuple[int, ...]) -> A:
    """Mean 1; one sigma, or one for each in the last axis."""
    return np.exp(sigma * rng.standard_normal(size) - sigma * sigma / 2)


def zipf(tenants: int, runs: int) -> A:
    """Runs of each tenant, in proportion to 1 / rank."""
    shares = 1 / np.arange(1, tenants + 1)
    sizes = np.floor(shares / shares.sum() * runs).astype(int)
    sizes[0] += runs - sizes.sum()
    return sizes


def tenant_means(rng: np.random.Generator, worlds: int, tenants: int, sd: float = TENANT_SD) -> A:
    return lognormal(rng, sd, (worlds, tenants))


def tenant_errors(rng: np.random.Generator, worlds: int, tenants: int, rate: float, icc: float = ICC) -> A:
    """Error rates of tenants: beta with this mean and intraclass correlation."""
    scale = (1 - icc) / icc
    return rng.beta(rate * scale, (1 - rate) * scale, (worlds, tenants))
