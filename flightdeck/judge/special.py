# ruff: noqa: ANN401 (SciPy has no types)
"""SciPy's special functions, loaded when one is first asked for: a server that has no diff to judge does without.

They cost 25 MB and a fifth of a second. Each does what SciPy's function of the same name does, to numbers or arrays.
"""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def _scipy() -> Any:
    from scipy import special  # noqa: PLC0415

    return special


def ndtr(x: Any) -> Any:
    """The standard normal distribution function."""
    return _scipy().ndtr(x)


def ndtri(p: Any) -> Any:
    """Its inverse."""
    return _scipy().ndtri(p)


def stdtr(df: Any, t: Any) -> Any:
    """Student's t distribution function."""
    return _scipy().stdtr(df, t)


def stdtrit(df: Any, p: Any) -> Any:
    """Its inverse in ``t``."""
    return _scipy().stdtrit(df, p)


def chdtrc(df: Any, x: Any) -> Any:
    """The upper tail of the chi-square distribution."""
    return _scipy().chdtrc(df, x)


def chdtri(df: Any, p: Any) -> Any:
    """Its inverse in ``x``."""
    return _scipy().chdtri(df, p)


def betaincinv(a: Any, b: Any, p: Any) -> Any:
    """The inverse of the regularised incomplete beta function."""
    return _scipy().betaincinv(a, b, p)
