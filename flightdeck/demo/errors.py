"""When the demo does not show what it should."""

from __future__ import annotations

from flightdeck.errors import FlightDeckError


class DemoFailed(FlightDeckError):
    """A step of the demo failed, or a verdict is not the one that the releases deserve."""

    code = "demo_failed"
