"""What the name of a pricing version says: of the tables that 1.3 brought along, of the default prices."""

from __future__ import annotations

import re
from datetime import date

VERSION_PREFIX = "genai-prices-"
"""A release that refers to a pricing version of this form, and nobody imported it, is priced by the defaults."""

STALE_DAYS = 90
"""Days after which the prices of a bundled table are called old."""

_BUNDLED = re.compile(r"flightdeck-bundled-(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


def bundled_since(version: str) -> date | None:
    """The month (its first day) of a table that 1.3 brought along; None for any other version.

    >>> bundled_since("flightdeck-bundled-2026-05")
    datetime.date(2026, 5, 1)
    """
    found = _BUNDLED.fullmatch(version)
    return None if found is None or found[1] == "0000" else date(int(found[1]), int(found[2]), 1)


def means_defaults(version: str) -> bool:
    """Whether the version stands for the default prices where nobody imported a table of it (D7)."""
    return version.startswith(VERSION_PREFIX) or bundled_since(version) is not None
