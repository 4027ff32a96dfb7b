"""Ends that the interpreter does not live to see: SIGTERM, and the children of ``multiprocessing``. They flush too.

A SIGTERM that nobody handles kills a process on the spot; so do servers that have handled it, by raising it again
(uvicorn). Where its handler is the default, ours flushes within the time that any end may take, and then lets the
signal do what it would have done: the exit status is the same. A handler of the program's own is never replaced.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from opentelemetry import trace
from opentelemetry._logs import get_logger_provider

from flightdeck.otel.instrumentation.ending import flush
from flightdeck.otel.instrumentation.settings import AgentSettings

_once = threading.Lock()
_hooked = False


def flush_at_every_end() -> None:
    """From now on these ends flush as well. ``FLIGHTDECK_FLUSH_ON_SIGTERM=false`` leaves SIGTERM alone."""
    global _hooked  # noqa: PLW0603 - a hook can't be taken back
    with _once:
        if not _hooked and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_in_child)
            _hooked = True
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and AgentSettings.read().flush_on_sigterm and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def shut_down() -> None:
    """Ends both providers; what can be exported within the allowance is."""
    for provider in (trace.get_tracer_provider(), get_logger_provider()):
        end: Any = getattr(provider, "shutdown", None)
        if end is not None:
            end()


def _terminated(number: int, _frame: FrameType | None) -> None:
    # On a thread of its own, which is not waited for beyond the time limit: this one may hold any lock.
    flush(AgentSettings.read().shutdown_s)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _in_child() -> None:
    # Only where the program uses multiprocessing; it forgets all finalizers in the child first, and then runs this.
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(shut_down, _finalize)


def _finalize(end: Any) -> None:  # noqa: ANN401 - what register_after_fork was given
    util: Any = sys.modules["multiprocessing.util"]
    util.Finalize(None, end, exitpriority=10)
