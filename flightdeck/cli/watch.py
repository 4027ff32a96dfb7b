"""Asking again while a verdict is not conclusive: how long, how often, through a server's restart; and saying so."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar

import click

from flightdeck.cli.connection import TIMEOUT_S, Api, api
from flightdeck.errors import Retryable
from flightdeck.judge.quantities import duration, more_runs
from flightdeck.models.verdict import RunsNeeded

PATIENCE_S = 120
"""How long a server that has answered before may be away during the wait."""
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 15.0
LEAST_TIMEOUT_S = 10.0
"""What a request may take however little is left of the wait: the last look is at its end."""
CONCLUSIVE = ("PASS", "FAIL")

_FAR_H = 24 * 90
"""Hours from which on no day is named: nobody waits so long."""

Answer = dict[str, Any]
Result = TypeVar("Result")


class Connect(Protocol):
    """Opens the API for one request or a few."""

    def __call__(self, *, served: bool, timeout_s: float) -> AbstractContextManager[Api]:
        """With ``served`` only a server's; a request is given up after ``timeout_s`` without a word."""


class Progress:
    """What the wait is for, on stderr: on one line of a terminal, else a line per look."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._open = False

    def say(self, line: str) -> None:
        """Says where it is."""
        if self._terminal:
            # A line that wraps could not be taken back.
            shown = line[: shutil.get_terminal_size().columns - 1]
            click.echo(f"\r\x1b[2K{shown}", nl=False, err=True)
            self._open = True
        else:
            click.echo(line, err=True)

    def end(self) -> None:
        """Ends the line on a terminal."""
        if self._open:
            click.echo(err=True)
            self._open = False


@dataclass
class Watch:
    """Asks, and asks again while nothing is shown and time is left.

    Attributes:
        wait_s: how long; 0 asks once.
        interval_s: from one look to the next.
        last: the status of the last look, for whoever interrupts.
        served: whether a server has answered.
        connect: opens the API; with ``served`` only a server's.
        clock: seconds, from any beginning.
        sleep: waits so many seconds.
    """

    wait_s: int
    interval_s: int
    progress: Progress = field(default_factory=Progress)
    last: str = "none"
    served: bool = False
    connect: Connect = api
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _until: float = field(init=False)
    _slowest_s: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._until = self.clock() + self.wait_s

    def until_conclusive(self, ask: Callable[[Api], Answer]) -> Answer:
        """The first conclusive answer, or the last one before the time is over.

        Raises:
            Retryable: the server did not answer the first time, was away too long, or still is when the time is over.
        """
        while True:
            answer = self.once(ask)
            self.last = answer["verdict"]["status"]
            left = self._until - self.clock()
            if self.last in CONCLUSIVE or left <= 0:
                self.progress.end()
                return answer
            pause = min(self.interval_s, left)
            self.progress.say(_waiting(answer, pause, left))
            self.sleep(pause)

    def once(self, ask: Callable[[Api], Result]) -> Result:
        """Asks once. A server that has answered before may be away for a while, as when it is started again."""
        away_since: float | None = None
        pause = FIRST_RETRY_S
        while True:
            asked = self.clock()
            try:
                # Opened anew each time: a server that was started again has another address, and a workspace that is
                # opened in this process must not be held between two looks.
                with self.connect(served=self.served, timeout_s=self._timeout_s()) as flightdeck:
                    answer = ask(flightdeck)
                    self.served = flightdeck.served
                    self._slowest_s = max(self._slowest_s, self.clock() - asked)
                    return answer
            except Retryable as error:
                now = self.clock()
                away_since = now if away_since is None else away_since
                left = self._until - now
                if left <= 0 or not self.served or now - away_since + pause > PATIENCE_S:
                    self.progress.end()
                    raise
                pause = min(pause, left)
                self.progress.say(f"{error} Asking again in {duration(pause)}.")
            self.sleep(pause)
            pause = min(2 * pause, self.interval_s, LONGEST_RETRY_S)

    def _timeout_s(self) -> float:
        """How long a server may say nothing: no longer than the wait, but twice as long as it has needed before."""
        if self.wait_s == 0:
            return TIMEOUT_S
        return min(TIMEOUT_S, max(self._until - self.clock(), LEAST_TIMEOUT_S, 2 * self._slowest_s))


def _waiting(answer: Answer, pause: float, left: float) -> str:
    """One line: what is known, what is missing and when it will be there, and when the next look is."""
    verdict, samples = answer["verdict"], answer["samples"]
    runs = f"{samples['baseline_runs']:,} and {samples['candidate_runs']:,} runs"
    said = f"{datetime.now(UTC):%H:%M:%S} UTC: {verdict['status']} with {runs}"
    if missing := _missing(verdict, left):
        said += f", {missing}"
    return f"{said}; looking again in {duration(math.ceil(pause))}, for at most {duration(math.ceil(left))} more"


def _missing(verdict: dict[str, Any], left: float) -> str:
    needed = RunsNeeded.model_validate(verdict["runs_needed"] or {})
    if needed == RunsNeeded():
        return ""
    if needed.hours is None:
        return more_runs(needed)
    about = []
    if needed.hours < _FAR_H:
        there = datetime.now(UTC) + timedelta(hours=needed.hours)
        about.append(f"{there:%H:%M} UTC" if needed.hours < 24 else f"{there:%Y-%m-%d}")
    if 3600 * needed.hours > left:
        about.append("after the wait is over")
    counts = f"about {needed.baseline:,} and {needed.candidate:,} more are needed"
    suffix = f" ({', '.join(about)})" if about else ""
    when = f"there in {duration(3600 * needed.hours)} at this rate"
    return f"{counts}, {when}{suffix}"
