"""How a server says that it is there, and whether it still is. On its own: a command knows it before it loads more."""

from __future__ import annotations

import os
from pathlib import Path

SERVER_FILE = Path(".flightdeck") / "server.json"
"""In the workspace's folder: addresses, process id and instance of its server, while there is one."""

INSTANCE_HEADER = "X-FlightDeck-Instance"
"""By it a command says which server it looks for: the one that wrote the file."""
MISDIRECTED = 421
"""Answered by a server to a caller that looks for another one (its file is left over)."""


def alive(pid: int) -> bool:
    """Whether a process that announced itself on this machine still runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True
