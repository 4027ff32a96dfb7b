"""Variables of the environment that look like settings and are none: a typing error would otherwise go unnoticed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flightdeck.settings import Settings
from flightdeck.validation import nearest

PREFIX = "FLIGHTDECK_"
ELSEWHERE = (
    # The agents' side and the command line
    *("URL", "RELEASE_ID", "AGENT_ID", "ENVIRONMENT", "ACTOR"),
    *("BAGGAGE_KEYS", "SPOOL_DIR", "SPOOL_MAX_MB", "SHUTDOWN_S", "FLUSH_ON_SIGTERM", "VERBOSE"),
)
"""What is read by others than the server, which may be started in the same environment."""

FOREIGN = ("TEST_", "SQLITE_")
"""How names begin that are nobody's mistake: those of the tests, and those that 1.3 had for SQLite."""

MOST_NAMED = 10
LONGEST_NAME = 100


def strangers(environ: Mapping[str, str]) -> Iterator[str]:
    """What is said of each ``FLIGHTDECK_*`` that nobody reads; a wrong key below a right one is an error elsewhere."""
    known = {name.upper() for name in Settings.model_fields}.union(ELSEWHERE)
    names = sorted(name for name in environ if name.upper().startswith(PREFIX))
    said = 0
    for name in names:
        key = name[len(PREFIX) :].upper()
        if key.partition("__")[0] in known or key.startswith(FOREIGN):
            continue
        said += 1
        if said <= MOST_NAMED:
            yield f"WARNING: {_told(key[:LONGEST_NAME], known)} It is ignored."
    if said > MOST_NAMED:
        yield f"WARNING: {said - MOST_NAMED} more unknown variables {PREFIX}* are ignored."


def _told(key: str, known: set[str]) -> str:
    first, more, rest = key.partition("__")  # what is unknown is the first part; the rest stays as it is
    near = nearest(first, sorted(known))
    meant = f"; did you mean {PREFIX}{near}{more}{rest}?" if near else "."
    return f"unknown variable {PREFIX}{key}{meant}"
