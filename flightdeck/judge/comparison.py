"""Standardised comparison: both releases with the same mix of strata, and the variance of their difference.

The contrast is candidate - k * baseline, k being 1 or, for a relative margin, 1 + margin. Its variance is taken from
what each cluster (tenant) moves, over both releases together, so that what shared tenants have in common cancels; it is
corrected for few and uneven clusters, and never less than the variance within them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from flightdeck.judge.series import BASELINE, CANDIDATE, Floats, Indices, Series
from flightdeck.judge.special import chdtri


@dataclass(frozen=True, slots=True)
class Variance:
    """Of a contrast.

    Attributes:
        value: the variance.
        iid: what it would be if every run stood for itself.
        within: the part that more runs of the same clusters would lessen.
        df: degrees of freedom.
        effective: how many clusters of one size would say as much; None where clusters are not looked at.
    """

    value: float
    iid: float
    within: float
    df: float
    effective: float | None = None

    @property
    def design_effect(self) -> float | None:
        """How many times ``iid`` it is; None without any spread."""
        return self.value / self.iid if self.iid > 0 else None


@dataclass(frozen=True, slots=True)
class ClusterCorrection:
    """Uneven clusters as a quadratic form: what raises the sum of squared influences, and its degrees of freedom."""

    bias: float
    df: float
    effective: float

    @classmethod
    def of(cls, lam: Floats) -> ClusterCorrection:
        """For clusters whose influences have variances in proportion to ``lam``."""
        weights = np.sqrt(lam[lam > 0])
        if not len(weights):
            return cls(math.inf, 1.0, 0.0)
        weights /= weights.sum()
        s2, s3, s4, s5 = (float((weights**power).sum()) for power in (2, 3, 4, 5))
        trace = s2 - 2 * s3 + s2 * s2
        trace2 = s4 - 4 * s5 + 4 * s2 * s4 + 2 * s3 * s3 - 4 * s2 * s2 * s3 + s2**4
        if trace <= 1e-12 or trace2 <= 0:
            return cls(math.inf, 1.0, 1 / s2)
        return cls(s2 / trace, trace * trace / trace2, 1 / s2)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both sides in the strata that both have; index 0 is the baseline.

    Arrays have one row per side; columns are strata (``runs``, ``means``, ``squares``) or clusters (the others).
    """

    weights: Floats
    runs: Floats
    means: Floats
    squares: Floats
    influence: Floats
    cluster_runs: Floats
    cluster_weights: Floats
    within: Floats
    singles: Floats
    used: Indices
    overlaps: tuple[float, float]

    @property
    def theta(self) -> Floats:
        """Standardised means."""
        return np.asarray((self.weights * self.means).sum(axis=1), dtype=np.float64)

    @property
    def effective_runs(self) -> Floats:
        """Runs that would say as much if they had the pooled mix (Korn and Graubard)."""
        with np.errstate(divide="ignore"):
            return np.asarray(1 / (self.weights**2 / self.runs).sum(axis=1), dtype=np.float64)

    def _iid(self) -> Floats:
        """Per side and stratum."""
        return self.weights**2 * self.squares / np.maximum(self.runs - 1, 1) / np.maximum(self.runs, 1)

    def squared_influence(self, k: float) -> float:
        """Sum of squares of the clusters' influences on the contrast, not corrected."""
        psi = self.influence[CANDIDATE] - k * self.influence[BASELINE]
        return float((psi * psi).sum())

    def variance(self, k: float, *, clustered: bool) -> Variance:
        """Of candidate - k * baseline."""
        parts = self._iid() * np.array([[k * k], [1.0]])
        iid = float(parts.sum())
        if not clustered:
            spread = float((parts * parts / np.maximum(self.runs - 1, 1)).sum())
            return Variance(iid, iid, iid, iid * iid / spread if spread > 0 else math.inf)
        within = self._contrasted(self.within, k)
        raised, correction = self._between(k, within)
        value = max(raised, within)
        lessened = min(value, within + self._contrasted(self.singles, k))
        return Variance(value, iid, lessened, correction.df, correction.effective)

    def paired(self, k: float) -> float:
        """The variance as the clusters' influences show it.

        ``variance`` takes the larger of this and what lies within clusters, which is too wide on average where tenants
        do not differ. Here the latter counts where influences fall so far below it by chance in one case of twenty.
        """
        within = self._contrasted(self.within, k)
        raised, correction = self._between(k, within)
        return max(raised, float(chdtri(correction.df, 0.95)) / correction.df * within)

    @staticmethod
    def _contrasted(sides: Floats, k: float) -> float:
        """The variance of candidate - k * baseline of those of both sides."""
        return float(sides[CANDIDATE] + k * k * sides[BASELINE])

    def _between(self, k: float, within: float) -> tuple[float, ClusterCorrection]:
        """The variance from the clusters' influences, corrected for few and uneven ones."""
        squared = self.squared_influence(k)
        between = max(0.0, 1 - within / squared) if squared > 0 else 0.0
        totals = np.maximum(self.runs.sum(axis=1, keepdims=True), 1)
        scale = np.array([[k * k], [1.0]])
        by_runs = _shares((scale * self.cluster_runs / totals**2).sum(axis=0))
        by_weight = _shares((scale * self.cluster_weights**2).sum(axis=0))
        correction = ClusterCorrection.of((1 - between) * by_runs + between * by_weight)
        return correction.bias * squared if squared > 0 else 0.0, correction

    def scale_factor(self, k: float) -> float:
        """By what to raise the variance, so that a small arm that missed the tail does not look too sure.

        Its spread is taken to be at least that of the baseline, scaled by k, both pooled.
        """
        iid = float((self._iid() * np.array([[k * k], [1.0]])).sum())
        freedom = float(self.runs.sum()) - 2 * self.runs.shape[1]
        if iid <= 0 or freedom <= 0:
            return 1.0
        pooled = float(k * k * self.squares[BASELINE].sum() + self.squares[CANDIDATE].sum()) / freedom
        scale = pooled * float((self.weights**2 * (1 / self.runs).sum(axis=0)).sum())
        factor: float = max(1.0, scale / iid)
        return factor

    def flipped(self) -> Comparison:
        """The same with the sides in each other's place."""
        return replace(
            self,
            **{name: getattr(self, name)[::-1] for name in _BY_SIDE},
            overlaps=self.overlaps[::-1],
        )

    @property
    def shared_clusters(self) -> int:
        """Clusters that both sides have."""
        return int((self.cluster_runs > 0).all(axis=0).sum())


_BY_SIDE = ("runs", "means", "squares", "influence", "cluster_runs", "cluster_weights", "within", "singles")


def _sums(at: Indices, values: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(at, values, size), dtype=np.float64)


def compare(series: Series, strata: Indices, least: int) -> Comparison | None:
    """Compares in the strata that have ``least`` values on both sides; None when there is none.

    Args:
        series: the metric.
        strata: of each cell.
        least: fewer values than this on a side and a stratum is dropped.
    """
    count = int(strata.max()) + 1 if len(strata) else 0
    runs = np.array([np.bincount(strata, np.where(series.side == side, series.n, 0.0), count) for side in (0, 1)])
    both = (runs >= max(least, 2)).all(axis=0)
    if not both.any():
        return None
    totals = runs.sum(axis=1)
    used = np.flatnonzero(both)
    weights = runs[:, used].sum(axis=0)
    overlaps = (float(runs[0, used].sum() / totals[0]), float(runs[1, used].sum() / totals[1]))
    return _comparison(series, strata, used, weights / weights.sum(), overlaps)


def alone(series: Series) -> Comparison | None:
    """The candidate as it is, for a limit: a contrast with k = 0. None with fewer than two values."""
    if series.counts[CANDIDATE] < 2:
        return None
    strata = np.zeros(len(series.n), dtype=np.int64)
    return _comparison(series, strata, np.zeros(1, dtype=np.int64), np.ones(1), (1.0, 1.0))


def _comparison(
    series: Series, strata: Indices, used: Indices, weights: Floats, overlaps: tuple[float, float]
) -> Comparison:
    position = np.full(int(strata.max()) + 1, -1, dtype=np.int64)
    position[used] = np.arange(len(used))
    at = position[strata]
    kept = (at >= 0) & (series.n > 0)
    at, side, n, mean, ss = at[kept], series.side[kept], series.n[kept], series.mean[kept], series.ss[kept]
    _, cluster = np.unique(series.frame.tenant[kept], return_inverse=True)
    clusters = int(cluster.max()) + 1 if len(cluster) else 0
    place = side * len(used) + at
    size = 2 * len(used)
    runs = _sums(place, n, size)
    # Means are taken from an anchor, so that equal values have no deviation at all.
    anchor = np.zeros(len(used))
    anchor[at[::-1]] = mean[::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(runs > 0, _sums(place, n * (mean - anchor[at]), size) / runs, 0.0)
    means += np.tile(anchor, 2)
    deviation = mean - means[place]
    squares = _sums(place, ss + n * deviation**2, size)
    weight = weights[at] / runs[place]
    owner = side * clusters + cluster
    single = np.maximum(n - 1, 1)
    within = _sums(side, np.where(n > 1, weight**2 * ss * n / single, 0.0), 2)
    spread = (squares / np.maximum(runs - 1, 1))[place] * _share_within(at, n, ss, squares, runs)[at]
    singles = _sums(side, np.where(n > 1, 0.0, weight**2 * n * spread), 2)
    return Comparison(
        weights=weights,
        runs=runs.reshape(2, -1),
        means=means.reshape(2, -1),
        squares=squares.reshape(2, -1),
        influence=_sums(owner, weight * n * deviation, 2 * clusters).reshape(2, -1),
        cluster_runs=_sums(owner, n, 2 * clusters).reshape(2, -1),
        cluster_weights=_sums(owner, weight * n, 2 * clusters).reshape(2, -1),
        within=within,
        singles=singles,
        used=used,
        overlaps=overlaps,
    )


def _share_within(at: Indices, n: Floats, ss: Floats, squares: Floats, runs: Floats) -> Floats:
    """Of each stratum, what share of its spread cells of several values show within them, over both sides.

    A cell of one value shows no spread of its own, but has one all the same. Where there are no others, all of the
    stratum's spread may be of that kind.
    """
    size = len(runs) // 2
    repeats = _sums(at, n - 1, size)
    total = squares.reshape(2, -1).sum(axis=0) / np.maximum(runs.reshape(2, -1).sum(axis=0) - 2, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = _sums(at, ss, size) / repeats / total
    return np.where((repeats > 0) & (total > 0), np.minimum(share, 1.0), 1.0)


def effective_clusters(series: Series, side: int) -> float:
    """How many clusters of one size would hold a side's values as evenly."""
    own = series.side == side
    sizes = np.bincount(series.frame.tenant[own], series.n[own])
    squares = float((sizes**2).sum())
    return float(sizes.sum() ** 2) / squares if squares > 0 else 0.0


def _shares(values: Floats) -> Floats:
    total = float(values.sum())
    return values / total if total > 0 else values
