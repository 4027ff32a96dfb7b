"""How many standard errors are enough: once (fixed), or however often one looks (always valid).

Always valid is the normal mixture of Howard et al. (2021), asymptotically valid for means (Waudby-Smith et al., 2024);
it equals the mixture sequential probability ratio test. Its one tuning, phi, is set where a fixed test would have its
power, so there is nothing to choose.

``z`` is a statistic with ``df`` degrees of freedom (infinite: normal). ``r`` is phi over the estimate's variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from flightdeck.judge.special import ndtr, ndtri, stdtr, stdtrit


def normal_quantile(p: float) -> float:
    """The z below which a share p of the normal distribution lies."""
    return float(ndtri(p))


def student_critical(critical: float, df: float) -> float:
    """The t quantile whose upper tail is that of this normal quantile."""
    if math.isinf(df) or math.isinf(critical):
        return critical
    return float(-stdtrit(df, ndtr(-critical)))


def normal_score(z: float, df: float) -> float:
    """The normal quantile whose tail is that of this t statistic."""
    if math.isinf(df) or math.isinf(z) or z == 0:
        return z
    return math.copysign(float(-ndtri(stdtr(df, -abs(z)))), z)


def upper_tail(z: float, df: float) -> float:
    """P(Z >= z)."""
    if math.isinf(df) or math.isinf(z):
        return float(ndtr(-z))
    return float(stdtr(df, -z))


def mixture_critical(alpha: float, r: float) -> float:
    """Critical value that holds at any number of looks, alpha in one tail; infinite at r = 0 and r = infinity."""
    if r <= 0 or math.isinf(r):
        return math.inf
    return math.sqrt((1 + r) / r * math.log((1 + r) / (2 * alpha) ** 2))


def mixture_log_e(z: float, r: float) -> float:
    """Log of the mixture likelihood ratio: evidence against "no difference", symmetric in z."""
    if math.isinf(z):
        return math.inf
    if math.isinf(r):
        return math.inf if z else -math.inf
    return z * z * r / (2 * (1 + r)) - math.log1p(r) / 2


def mixture_tail(z: float, r: float) -> float:
    """One-sided p that holds at any number of looks; 1 where z is not above 0."""
    if z <= 0:
        return 1.0
    return min(1.0, 0.5 * math.exp(min(1.0, -mixture_log_e(z, r))))


@dataclass(frozen=True, slots=True)
class Critical:
    """How a guardrail is decided.

    ``phi`` is None for a fixed test: one look, at the sample size there is.
    """

    alpha: float
    phi: float | None = None

    @classmethod
    def at(cls, alpha: float, power: float, gap: float, *, sequential: bool) -> Critical:
        """For harm that may reach ``gap``, in the unit of the estimate."""
        if not sequential:
            return cls(alpha)
        least = -2 * math.log(2 * alpha)
        kappa = least + math.log1p(least)
        return cls(alpha, kappa * (gap / (normal_quantile(1 - alpha) + normal_quantile(power))) ** 2)

    def r(self, variance: float) -> float:
        """The prior's variance over the estimate's."""
        if self.phi is None or variance <= 0:
            return math.inf
        return self.phi / variance

    def scaled(self, factor: float) -> Critical:
        """For an estimate in units that make it ``factor`` times as large."""
        return self if self.phi is None else Critical(self.alpha, self.phi * factor * factor)

    def value(self, variance: float, df: float = math.inf) -> float:
        """Half the width of the interval, in standard errors; infinite where nothing can be said yet."""
        normal = normal_quantile(1 - self.alpha) if self.phi is None else mixture_critical(self.alpha, self.r(variance))
        return student_critical(normal, df)

    def p_fail(self, z: float, variance: float, df: float = math.inf) -> float:
        """How surprising so much harm would be at the margin."""
        if self.phi is None:
            return upper_tail(z, df)
        return mixture_tail(normal_score(z, df), self.r(variance))

    def p_pass(self, z: float, variance: float, df: float = math.inf) -> float:
        """How surprising so little harm would be at the margin."""
        return self.p_fail(-z, variance, df)
