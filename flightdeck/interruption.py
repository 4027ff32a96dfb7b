"""How a process ends on Ctrl-C, a waiting command and a server alike."""

from __future__ import annotations

import signal

INTERRUPTED = 128 + signal.SIGINT.value
"""The exit code of a program that Ctrl-C ended, as shells have it: 130."""
