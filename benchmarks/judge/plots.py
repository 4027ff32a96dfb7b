"""Draws the pictures of ``docs/statistics.md`` into ``docs/statistics/``: ``python -m benchmarks.judge.plots``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from flightdeck.judge.critical import Critical, normal_quantile
from flightdeck.judge.needed import power_quantile, variance_needed

FOLDER = Path(__file__).parents[2] / "docs" / "statistics"
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 310, 60, 30, 20, 45
COLOURS = ("#1f6feb", "#d1242f", "#8250df", "#1a7f37")


class Plot:
    """Lines over two axes, as a small SVG that reads on light and dark pages."""

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], labels: tuple[str, str], *, log: bool = False
    ) -> None:
        self.x, self.y, self.labels, self.log = x, y, labels, log
        self.parts: list[str] = []

    def _at(self, x: float, y: float) -> tuple[float, float]:
        low, high = (math.log(one) for one in self.x) if self.log else self.x
        across = ((math.log(x) if self.log else x) - low) / (high - low)
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def line(self, points: Sequence[tuple[float, float]], colour: str, *, dashed: bool = False) -> None:
        shown = " ".join(f"{a:.1f},{b:.1f}" for a, b in (self._at(x, y) for x, y in points))
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<polyline points="{shown}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')

    def text(self, x: float, y: float, words: str, colour: str = "#57606a", anchor: str = "start") -> None:
        a, b = self._at(x, y)
        self.parts.append(f'<text x="{a:.1f}" y="{b:.1f}" fill="{colour}" text-anchor="{anchor}">{words}</text>')

    def dot(self, x: float, y: float, colour: str) -> None:
        a, b = self._at(x, y)
        self.parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{colour}"/>')

    def svg(
        self, xticks: Sequence[float], yticks: Sequence[float], show: Callable[[float], str] = "{:g}".format
    ) -> str:
        frame = []
        for value in yticks:
            (a, b), (c, _) = self._at(self.x[0], value), self._at(self.x[1], value)
            frame.append(f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{b:.1f}" stroke="#8c959f" opacity=".3"/>')
            frame.append(f'<text x="{a - 6:.1f}" y="{b + 4:.1f}" fill="#57606a" text-anchor="end">{show(value)}</text>')
        for value in xticks:
            a, b = self._at(value, self.y[0])
            frame.append(f'<text x="{a:.1f}" y="{b + 16:.1f}" fill="#57606a" text-anchor="middle">{value:g}</text>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        frame.append(f'<text x="{middle}" y="{HEIGHT - 8}" fill="#57606a" text-anchor="middle">{self.labels[0]}</text>')
        frame.append(f'<text x="{LEFT - 45}" y="{TOP - 16}" fill="#57606a">{self.labels[1]}</text>')
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        return head + 'font-size="12">\n' + "\n".join(frame + self.parts) + "\n</svg>\n"


def looks() -> str:
    """How wide the interval is, in standard errors, as runs come in."""
    plot = Plot((200, 20_000), (0, 5), ("runs a side", "half-width in standard errors"), log=True)
    critical = Critical.at(0.05, 0.8, 0.1, sequential=True)
    spread = 2.21 * math.expm1(0.64)
    points = [(n, critical.value(spread / n)) for n in range(200, 20_001, 100)]
    plot.line(points, COLOURS[0])
    plot.line([(200, normal_quantile(0.95)), (20_000, normal_quantile(0.95))], COLOURS[1], dashed=True)
    plot.text(700, 4.3, "sequential: valid at every look", COLOURS[0])
    plot.text(700, 1.2, "fixed: valid at one look", COLOURS[1])
    return plot.svg((200, 500, 1000, 2000, 5000, 10_000, 20_000), range(6))


def statuses() -> str:
    """Three intervals against a margin."""
    plot = Plot((-10, 30), (0, 4), ("effect on mean latency, %", ""))
    plot.line([(10, 0.2), (10, 3.8)], "#57606a", dashed=True)
    plot.text(10.4, 3.75, "margin +10 %")
    for y, low, estimate, high, word, colour in (
        (3, -3, 2, 7, "PASS: even the upper limit is below the margin", COLOURS[3]),
        (2, 1, 8, 15, "INCONCLUSIVE: the margin is inside", COLOURS[2]),
        (1, 13, 19, 25, "FAIL: even the lower limit is above the margin", COLOURS[1]),
    ):
        plot.line([(low, y), (high, y)], colour)
        plot.dot(estimate, y, colour)
        plot.text(-9.5, y + 0.25, word, colour)
    return plot.svg((-10, -5, 0, 5, 10, 15, 20, 25, 30), ())


def needed() -> str:
    """Runs a side by the true effect, for a margin of 10 %."""
    plot = Plot((0, 8), (0, 40_000), ("true effect on mean latency, %", "runs a side"))
    spread, spare = 2.21 * math.expm1(0.64), power_quantile(0.8, 3)
    for sequential, colour in ((False, COLOURS[1]), (True, COLOURS[0])):
        critical = Critical.at(0.05, 0.8, 0.1, sequential=sequential)
        points = [(effect / 10, spread / variance_needed(0.1 - effect / 1000, spare, critical)) for effect in range(81)]
        plot.line([point for point in points if point[1] <= 40_000], colour)
    plot.text(0.3, 10_500, "sequential", COLOURS[0])
    plot.text(4.5, 3_000, "fixed", COLOURS[1])
    return plot.svg(range(9), range(0, 40_001, 10_000), lambda value: f"{value:,.0f}")


def tenants() -> str:
    """What independent tenants do to the number of runs that count."""
    plot = Plot((100, 20_000), (0, 6_000), ("runs", "runs that count"), log=True)
    for icc, colour in ((0.0, COLOURS[3]), (0.005, COLOURS[0]), (0.02, COLOURS[2]), (0.13, COLOURS[1])):
        points = [(n, n / (1 + (n / 20 - 1) * icc)) for n in range(100, 20_001, 200)]
        points = [point for point in points if point[1] <= 6_000]
        plot.line(points, colour)
        plot.text(points[-1][0] * 0.97, points[-1][1] + 120, f"likeness {icc:g}", colour, "end")
    return plot.svg((100, 500, 1000, 5000, 20_000), range(0, 6_001, 1_000), lambda value: f"{value:,.0f}")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for draw in (looks, statuses, needed, tenants):
        (FOLDER / f"{draw.__name__}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
