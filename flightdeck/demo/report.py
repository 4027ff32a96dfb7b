"""What a person sees of the demo: progress, two verdicts with their reasons, and where to go from here."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from flightdeck.demo.story import BASELINE, BETTER, TRANSPORTS, WORSE, Comparison, Story
from flightdeck.models import Diff, DiffMetrics

WHAT_IT_IS = {
    BASELINE: "what customers get today: a small model",
    WORSE: "a larger model and a warmer prompt that refunds at once",
    BETTER: "the small model, a shorter prompt that completes order numbers",
}
EXPECTED = {WORSE: "FAIL", BETTER: "PASS"}


class Display:
    """Tells what happens: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._quarter = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_bar()

    def step(self, text: str) -> None:
        """Something begins."""
        self._end_bar()
        self._console.print(f"[dim]{time.monotonic() - self._began:5.1f} s[/]  {text}", highlight=False)

    def solved(self, count: int, total: int) -> None:
        """So many tickets are answered."""
        if self._console.is_terminal:
            if self._bar is None:
                columns = (TextColumn("         tickets"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
                self._bar = Progress(*columns, console=self._console, transient=True)
                self._task = self._bar.add_task("", total=total)
                self._bar.start()
            assert self._task is not None  # noqa: S101 - made with the bar
            self._bar.update(self._task, completed=count)
        elif total and count * 4 // total > self._quarter:
            self._quarter = count * 4 // total
            self._console.print(f"         {count:,} of {total:,} answered", highlight=False)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def print_story(console: Console, story: Story) -> None:
    """Both verdicts, as a person wants to read them."""
    runs = sum(story.runs.values())
    console.print(
        f"\n{runs:,} runs of {len(story.tenants)} tenants and {len(story.tasks)} tasks, "
        f"{story.provider_calls:,} model calls:",
        highlight=False,
    )
    for release, what in WHAT_IT_IS.items():
        console.print(f"  [bold]{release}[/]: {what}; reported by {TRANSPORTS[release]}", highlight=False)
    for comparison in story.comparisons:
        _print_comparison(console, comparison)
    console.print(
        f"\nThe demo's policy asks for {story.minimum:,} runs a side, which is what a demo can have; without a minimum "
        "of its own a policy asks for 500.",
        highlight=False,
    )


def _print_comparison(console: Console, comparison: Comparison) -> None:
    diff = comparison.diff
    passed = comparison.passed
    console.print()
    console.rule(f"[bold]{comparison.release}[/] against {BASELINE}", align="left", style="dim")
    console.print(_numbers(diff, comparison.tasks))
    verdict = Text(" PASS " if passed else " FAIL ", style="bold white on green" if passed else "bold white on red")
    console.print(verdict, "safe to roll forward" if passed else "do not roll forward", highlight=False)
    for reason in diff.policy.reasons:
        console.print(f"  - {reason}", highlight=False)


def _numbers(diff: Diff, tasks: dict[str, Diff]) -> Table:
    """What changed; under the error rate the tasks, largest change first: where it comes from is asked next."""
    metrics, samples = diff.metrics, diff.samples
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("")
    for name in ("baseline", "candidate", "change"):
        table.add_column(name, justify="right")
    table.add_row("runs", f"{samples.baseline_runs:,}", f"{samples.candidate_runs:,}", "")
    table.add_row(
        "cost per run (USD)",
        f"{metrics.baseline_cost_per_run_usd:.6f}",
        f"{metrics.candidate_cost_per_run_usd:.6f}",
        _share(metrics.delta_cost_per_run_pct),
    )
    table.add_row(
        "error rate",
        f"{metrics.baseline_error_rate:.1%}",
        f"{metrics.candidate_error_rate:.1%}",
        _points(metrics),
    )
    for task, one in sorted(tasks.items(), key=lambda item: -abs(item[1].metrics.delta_error_rate)):
        of_task = one.metrics
        table.add_row(
            f"  {task}",
            f"{of_task.baseline_error_rate:.1%}",
            f"{of_task.candidate_error_rate:.1%}",
            _points(of_task),
            style="dim",
        )
    if metrics.baseline_latency_ms_avg is not None and metrics.candidate_latency_ms_avg is not None:
        table.add_row(
            "latency, mean (ms)",
            f"{metrics.baseline_latency_ms_avg:,.0f}",
            f"{metrics.candidate_latency_ms_avg:,.0f}",
            _share(metrics.candidate_latency_ms_avg / metrics.baseline_latency_ms_avg - 1)
            if metrics.baseline_latency_ms_avg
            else "",
        )
    return table


def _share(change: float | None) -> str:
    return "" if change is None else f"{change:+.0%}"


def _points(metrics: DiffMetrics) -> str:
    return f"{metrics.delta_error_rate * 100:+.1f} points"


def print_next(console: Console, story: Story, *, serving: bool) -> None:
    """What to look at next."""
    console.print("\nNext:")
    if serving:
        for comparison in story.comparisons:
            console.print(f"  {comparison.release}: {page(story, comparison)}", highlight=False, soft_wrap=True)
    else:
        console.print("  flightdeck demo --serve        the same, and the page stays up", highlight=False)
    console.print("  flightdeck init                a workspace of your own; then flightdeck serve", highlight=False)
    console.print(
        "  FLIGHTDECK_RELEASE_ID=rel_... opentelemetry-instrument python your_agent.py", highlight=False, soft_wrap=True
    )


def page(story: Story, comparison: Comparison) -> str:
    """The page's address for a comparison."""
    query = {
        "baseline": comparison.baseline,
        "candidate": comparison.candidate,
        "window": comparison.diff.window,
        "environment": comparison.diff.filters.environment,
    }
    return f"{story.server.url}/#/diff?{urlencode(query)}"


def unexpected(story: Story) -> str:
    """Which verdict is not as it should be, in one line."""
    found = {
        one.release: f"{'PASS' if one.passed else 'FAIL'} (exit code {int(not one.gate_passed)})"
        for one in story.comparisons
    }
    return f"Verdicts should be {EXPECTED}, and are {found}."
