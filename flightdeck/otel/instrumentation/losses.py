"""The runs that an agent made and the server did not take, for one line at the end: how many, why, the remedy."""

from __future__ import annotations

from collections import Counter

MOST_REASONS = 5
"""Told one by one; the rest is told as one number."""

OTHER = "other reasons, see the lines above"

_REMEDIES = {
    401: "set FLIGHTDECK_LOCAL_API_TOKEN",
    404: "set FLIGHTDECK_URL to the server's API address",
    405: "set FLIGHTDECK_URL to the server's API address",
}


class Losses:
    """Counts lost runs by reason. Written by one thread at a time."""

    def __init__(self) -> None:
        self._runs: Counter[str] = Counter()

    def add(self, runs: int, reason: str) -> None:
        """Counts runs that are lost; ``reason`` names cause and remedy."""
        if runs:
            self._runs[reason if reason in self._runs or len(self._runs) < MOST_REASONS else OTHER] += runs

    def by_reason(self) -> dict[str, int]:
        """How many runs were lost, for each reason."""
        return dict(self._runs)

    def line(self) -> str:
        """All of them in one line, like ``1 run lost: the server answered 401; …``; empty if none is lost."""
        return ". ".join(f"{runs} run{'s' * (runs != 1)} lost: {reason}" for reason, runs in self._runs.items())


def refusal(status: int, detail: str) -> str:
    """What a refusal by the server says, and what helps."""
    said = f"the server answered {status}"
    if 300 <= status < 400:
        return f"{said}; set FLIGHTDECK_URL to the server's own address"
    if remedy := _REMEDIES.get(status):
        return f"{said}; {remedy}"
    return f"{said} ({detail})" if detail else said
