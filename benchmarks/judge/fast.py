"""The judge's formulas over many simulated worlds at once. ``agreement.py`` holds them to the judge itself.

Arrays have one row per world; sides are baseline (b) and candidate (c); one stratum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

A = np.ndarray


@dataclass
class Sums:
    """n, mean and sum of squares around it, per world (and cluster, in the last axis)."""

    n: A
    mean: A
    ss: A

    @classmethod
    def of(cls, values: A) -> Sums:
        """Of runs in the last axis."""
        mean = values.mean(-1)
        return cls(np.full(mean.shape, float(values.shape[-1])), mean, ((values - mean[..., None]) ** 2).sum(-1))

    @classmethod
    def failures(cls, x: A, n: A) -> Sums:
        """Of x failed runs among n."""
        p = np.divide(x, n, out=np.zeros(np.broadcast(x, n).shape), where=n > 0)
        return cls(np.asarray(n, dtype=float), p, n * p * (1 - p))

    def pooled(self) -> Sums:
        """Over clusters."""
        n = self.n.sum(-1)
        mean = (self.n * self.mean).sum(-1) / n
        return Sums(n, mean, self.ss.sum(-1) + (self.n * (self.mean - mean[..., None]) ** 2).sum(-1))


def welch(b: Sums, c: Sums, k: float, *, floor: bool = True) -> tuple[A, A]:
    """Variance of c - k b and its degrees of freedom."""
    own_b, own_c = k * k * b.ss / (b.n - 1) / b.n, c.ss / (c.n - 1) / c.n
    variance = own_b + own_c
    spread = own_b**2 / (b.n - 1) + own_c**2 / (c.n - 1)
    df = np.divide(variance**2, spread, out=np.full(np.shape(variance), np.inf), where=spread > 0)
    if floor:
        scale = (k * k * b.ss + c.ss) / (b.n + c.n - 2) * (1 / b.n + 1 / c.n)
        variance = np.maximum(variance, scale)
    return variance, df


def floor_factor(b: Sums, c: Sums, k: float) -> A:
    own = welch(b, c, k, floor=False)[0]
    return np.maximum(1.0, welch(b, c, k)[0] / own)


def influence(b: Sums, c: Sums, k: float) -> A:
    tb, tc = b.pooled(), c.pooled()
    return c.n * (c.mean - tc.mean[..., None]) / tc.n[..., None] - k * (
        b.n * (b.mean - tb.mean[..., None]) / tb.n[..., None]
    )


def clustered(b: Sums, c: Sums, k: float) -> tuple[A, A]:
    """The judge's variance between clusters, and its degrees of freedom, without the scale floor."""
    tb, tc = b.pooled(), c.pooled()
    squared = (influence(b, c, k) ** 2).sum(-1)

    def inside(own: Sums, total: Sums) -> A:
        parts = np.where(own.n > 1, own.ss * own.n / np.maximum(own.n - 1, 1), 0.0)
        return parts.sum(-1) / total.n**2

    within = inside(c, tc) + k * k * inside(b, tb)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.where(squared > 0, np.maximum(0.0, 1 - within / squared), 0.0)

    def shares(values: A) -> A:
        return values / values.sum(-1, keepdims=True)

    by_runs = shares(c.n / tc.n[..., None] ** 2 + k * k * b.n / tb.n[..., None] ** 2)
    by_weight = shares((c.n / tc.n[..., None]) ** 2 + (k * b.n / tb.n[..., None]) ** 2)
    lam = (1 - between)[..., None] * by_runs + between[..., None] * by_weight
    w = shares(np.sqrt(lam))
    s2, s3, s4, s5 = ((w**power).sum(-1) for power in (2, 3, 4, 5))
    trace = s2 - 2 * s3 + s2**2
    trace2 = s4 - 4 * s5 + 4 * s2 * s4 + 2 * s3**2 - 4 * s2**2 * s3 + s2**4
    return np.maximum(s2 / trace * squared, within), trace**2 / trace2


def cr1(b: Sums, c: Sums, k: float) -> A:
    """The usual cluster variance: squared influences times m / (m - 1)."""
    m = ((b.n > 0) | (c.n > 0)).sum(-1)
    return m / (m - 1) * (influence(b, c, k) ** 2).sum(-1)


def mn_z(xc: A, nc: A, xb: A, nb: A, delta: float) -> A:
    """Miettinen and Nurminen's score statistic."""
    n, x = nc + nb, xc + xb
    l2 = (nc + 2 * nb) * delta - n - x
    l1 = (nb * delta - n - 2 * xb) * delta + x
    l0 = xb * delta * (1 - delta)
    third = l2 / (3 * n)
    q = third**3 - l1 * l2 / (6 * n * n) + l0 / (2 * n)
    p = np.copysign(np.sqrt(np.maximum(0.0, third**2 - l1 / (3 * n))), q)
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = (np.pi + np.arccos(np.clip(np.where(p != 0, q / p**3, -1.0), -1, 1))) / 3
        at_b = np.clip(2 * p * np.cos(angle) - third, max(0.0, -delta), min(1.0, 1 - delta))
        at_c = np.clip(at_b + delta, 0, 1)
        variance = (at_c * (1 - at_c) / nc + at_b * (1 - at_b) / nb) * n / (n - 1)
        distance = xc / nc - xb / nb - delta
        z = distance / np.sqrt(variance)
    return np.where(np.abs(distance) <= 1e-15, 0.0, z)


@dataclass
class Rule:
    """One-sided level and, for repeated looks, the mixture's phi."""

    alpha: float = 0.05
    power: float = 0.8
    sequential: bool = False

    def p_fail(self, z: A, variance: A, df: A | float, gap: A | float) -> A:
        """The p of harm beyond the margin; of harm within it with -z."""
        if not self.sequential:
            return np.where(np.isinf(df), ndtr(-z), stdtr(np.minimum(df, 1e12), -z))
        score = np.where(np.isinf(df), z, np.copysign(-ndtri(stdtr(np.minimum(df, 1e12), -np.abs(z))), z))
        least = -2 * np.log(2 * self.alpha)
        phi = (least + np.log1p(least)) * (gap / (ndtri(1 - self.alpha) + ndtri(self.power))) ** 2
        r = phi / variance
        p = 0.5 * np.sqrt(1 + r) * np.exp(-(score**2) * r / (2 * (1 + r)))
        return np.where(score <= 0, 1.0, np.minimum(1.0, p))

    def decide(self, z: A, variance: A, df: A | float, gap: A | float) -> tuple[A, A]:
        """p of PASS and p of FAIL."""
        return self.p_fail(-z, variance, df, gap), self.p_fail(z, variance, df, gap)


def mean_test(b: Sums, c: Sums, margin: float, rule: Rule, *, tenants: bool = False) -> tuple[A, A]:
    """p of PASS and FAIL of a relative margin on a mean; sums by cluster if ``tenants``."""
    k = 1 + margin
    tb, tc = (b.pooled(), c.pooled()) if tenants else (b, c)
    variance, df = clustered(b, c, k) if tenants else welch(tb, tc, k, floor=False)
    variance = variance * floor_factor(tb, tc, k)
    return rule.decide((tc.mean - k * tb.mean) / np.sqrt(variance), variance, df, margin * tb.mean)


def error_test(b: Sums, c: Sums, margin: float, rule: Rule, *, tenants: bool = False) -> tuple[A, A]:
    """p of PASS and FAIL of an absolute margin on an error rate."""
    tb, tc = (b.pooled(), c.pooled()) if tenants else (b, c)
    effect, df = np.ones_like(tb.mean), np.inf
    if tenants:
        variance, df = clustered(b, c, 1.0)
        iid = welch(tb, tc, 1.0, floor=False)[0]
        effect = np.maximum(1.0, np.divide(variance, iid, out=np.ones_like(iid), where=iid > 0))
    nb, nc = tb.n / effect, tc.n / effect
    z = mn_z(tc.mean * nc, nc, tb.mean * nb, nb, margin)

    def spread(p: A, n: A) -> A:
        smooth = (p * n + 1) / (n + 2)
        return smooth * (1 - smooth) / n

    return rule.decide(z, spread(tc.mean, nc) + spread(tb.mean, nb), df, margin)


def observed(b: Sums, c: Sums, margin: float, rule: Rule, *, errors: bool) -> tuple[A, A, A]:
    """p of PASS and FAIL with tenants as strata, and the overlap: the judge's ``cluster: fixed``."""
    kept = (b.n >= 5) & (c.n >= 5)
    overlap = np.minimum(*((one.n * kept).sum(-1) / one.n.sum(-1) for one in (b, c)))
    n = np.where(kept, b.n + c.n, 0.0)
    w = n / np.maximum(n.sum(-1, keepdims=True), 1)
    tb, tc = (w * b.mean).sum(-1), (w * c.mean).sum(-1)
    nb, nc = (np.where(kept, one.n, 1.0) for one in (b, c))
    if errors:
        eb, ec = (1 / np.maximum((w**2 / own).sum(-1), 1e-12) for own in (nb, nc))
        z = mn_z(tc * ec, ec, tb * eb, eb, margin)
        smooth = [(p * own + 1) / (own + 2) for p, own in ((tc, ec), (tb, eb))]
        variance = sum(p * (1 - p) / own for p, own in zip(smooth, (ec, eb), strict=True))
        return *rule.decide(z, variance, np.inf, margin), overlap
    k = 1 + margin
    parts = [
        w**2 * scale * one.ss * kept / np.maximum(own - 1, 1) / own
        for scale, one, own in ((k * k, b, nb), (1.0, c, nc))
    ]
    variance = sum(part.sum(-1) for part in parts)
    spread = sum((part**2 / np.maximum(own - 1, 1)).sum(-1) for part, own in zip(parts, (nb, nc), strict=True))
    freedom = n.sum(-1) - 2 * kept.sum(-1)
    pooled = (k * k * (b.ss * kept).sum(-1) + (c.ss * kept).sum(-1)) / np.maximum(freedom, 1)
    floored = np.maximum(variance, pooled * (w**2 * (1 / nb + 1 / nc)).sum(-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return *rule.decide((tc - k * tb) / np.sqrt(floored), floored, variance**2 / spread, margin * tb), overlap


def holm_min(ps: list[A]) -> A:
    """The smallest adjusted p: whether any is rejected."""
    return np.min(np.stack(ps), axis=0) * len(ps)


def student(c: A | float, df: A) -> A:
    """The t quantile with the normal's tail."""
    return -stdtrit(df, ndtr(-np.asarray(c)))
