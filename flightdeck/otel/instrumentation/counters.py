"""What became of an agent's spans and runs on the way to the server."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counters:
    """Counted since the process began (or was forked). Posted runs are inserted, duplicate, conflicting or refused."""

    runs: int = 0
    """Runs that were made and queued."""
    runs_inserted: int = 0
    runs_duplicate: int = 0
    runs_conflicting: int = 0
    """Known to the server with other content; the first stays."""
    runs_refused: int = 0
    runs_without_release: int = 0
    runs_of_another_agent: int = 0
    """The run names an agent that its release is not of: the server would refuse it."""
    runs_dropped: int = 0
    """Over the queue's bounds, or not posted in time at the end."""
    spans_dropped: int = 0
    """Over a bound on what may be held."""
    spans_late: int = 0
    """Ended after their trace was posted."""
    errors: int = 0
    """Exceptions in our own code; each is a bug."""

    def as_dict(self) -> dict[str, int]:
        """Name and value of every counter."""
        return asdict(self)
