"""Child processes of ``multiprocessing`` end without the interpreter's own end: what they hold is flushed there too."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import get_logger_provider

_once = threading.Lock()
_done = False


def flush_in_children() -> None:
    """From now on children that ``multiprocessing`` forks shut the providers down when they end."""
    global _done  # noqa: PLW0603 - a hook can't be taken back
    with _once:
        if not _done and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_in_child)
            _done = True


def shut_down() -> None:
    """Ends both providers; what can be exported within the allowance is."""
    for provider in (trace.get_tracer_provider(), get_logger_provider()):
        end: Any = getattr(provider, "shutdown", None)
        if end is not None:
            end()


def _in_child() -> None:
    # Only where the program uses multiprocessing; it forgets all finalizers in the child first, and then runs this.
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(shut_down, _finalize)


def _finalize(end: Any) -> None:  # noqa: ANN401 - what register_after_fork was given
    util: Any = sys.modules["multiprocessing.util"]
    util.Finalize(None, end, exitpriority=10)
