"""Which of the installed instrumentations are on, which are not, and why: a line for whoever asks for it.

Asked by ``flightdeck run --verbose``, or ``FLIGHTDECK_VERBOSE=true`` under ``opentelemetry-instrument``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection

from opentelemetry.instrumentation.dependencies import DependencyConflict, get_dist_dependency_conflicts
from opentelemetry.util._importlib_metadata import EntryPoint, entry_points

from flightdeck.otel.instrumentation.throttled import guarded

DISABLED = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"

switched_on: list[str] = []
"""Those that our distribution has switched on in this process, in that order."""

failed: dict[str, str] = {}
"""Those that raised when it did, with what they raised."""


@guarded
def tell() -> None:
    """The SDK calls this once all are loaded, whichever distribution loads them."""
    asked = os.environ.get("FLIGHTDECK_VERBOSE", "").strip().lower() in {"1", "true", "yes", "on"}
    if asked and os.environ.get("OTEL_PYTHON_DISTRO", "flightdeck") == "flightdeck":
        print(f"FlightDeck: {line(switched_on)}", file=sys.stderr)  # noqa: T201 - asked for


def line(on: Collection[str]) -> str:
    """What is on; what is installed and not on, with the reason."""
    installed = {found.name: found for found in entry_points(group="opentelemetry_instrumentor")}
    if not installed:
        return "no instrumentation is installed"
    parts = [f"instrumentations on: {', '.join(on) or 'none'}"]
    off = [f"{name} ({_why_off(found)})" for name, found in sorted(installed.items()) if name not in on]
    if off:
        parts.append(f"off: {', '.join(off)}")
    return "; ".join(parts)


def _why_off(found: EntryPoint) -> str:
    if found.name in failed:
        return f"it failed: {failed[found.name]}"
    disabled = {name.strip() for name in os.environ.get(DISABLED, "").split(",")}
    if disabled & {found.name, "*"}:
        return f"by {DISABLED}"
    conflict: DependencyConflict | None = get_dist_dependency_conflicts(found.dist) if found.dist else None
    if conflict is None:
        return "it could not be loaded"
    needed = [conflict.required] if conflict.required else list(conflict.required_any or ())
    found_ones = [conflict.found] if conflict.required else list(conflict.found_any or ())
    libraries = " or ".join(str(one).partition(";")[0].strip() for one in needed)  # without the extra that it stands in
    return f"needs {libraries}, found {', '.join(filter(None, found_ones)) or 'none'}"
