"""The exit status of a program that Ctrl-C ends stays its own, whatever we import while it ends.

CPython notes that a ``KeyboardInterrupt`` left the program, and ends it by SIGINT (130 in a shell) after everything
else. Whatever compiles text until then, and every dataclass and named tuple that is imported does, makes it forget:
the status becomes 1. Our thread may still be importing then, or import only then what a first request needs.
"""

from __future__ import annotations

import sys
from contextlib import suppress

_OUTERMOST = ("__main__", "runpy")
"""Whose frame an exception leaves last that ends a program, started as a file or with ``-m``."""


def restore_interrupt() -> None:
    """Makes the interpreter note the interrupt again, if it is one that ends this program. For its very end only."""
    if not _ends_by_interrupt():
        return
    with suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")  # noqa: S102 - the one way from Python to have it noted


def _ends_by_interrupt() -> bool:
    """Whether an interrupt has left the main module; one that a console or notebook has shown has not."""
    ended_by = getattr(sys, "last_type", None)
    last = getattr(sys, "last_traceback", None)
    if not isinstance(ended_by, type) or not issubclass(ended_by, KeyboardInterrupt) or last is None:
        return False
    interactive = hasattr(sys, "ps1") or sys.flags.interactive
    return not interactive and last.tb_frame.f_globals.get("__name__") in _OUTERMOST
