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
    runs_spooled: int = 0
    """Left on disk at the end, for the next process."""
    runs_recovered: int = 0
    """Found on disk, left there by a process that is dead."""
    spans_dropped: int = 0
    """Over a bound on what may be held."""
    spans_late: int = 0
    """Ended after their trace was posted."""
    scores_dropped: int = 0
    """Said after their run had ended where logs may not go to the server, or more than a run may have."""
    spool_errors: int = 0
    """Reads and writes of the spool that failed; runs waited in memory instead."""
    spool_damaged: int = 0
    """Entries of the spool that could not be read again."""
    errors: int = 0
    """Exceptions in our own code; each is a bug."""

    def as_dict(self) -> dict[str, int]:
        """Name and value of every counter."""
        return asdict(self)
