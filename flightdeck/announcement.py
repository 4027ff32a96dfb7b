"""Where a server says that it serves a workspace. On its own, because a command has to know it before it loads more."""

from __future__ import annotations

from pathlib import Path

SERVER_FILE = Path(".flightdeck") / "server.json"
"""In the workspace's folder: addresses, process id and instance of its server, while there is one."""
