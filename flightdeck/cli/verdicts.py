"""Verdicts at the command line: how they are shown, and which exit code each has."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flightdeck.presentation.judged import Judged

EXIT_CODES: Mapping[str, int] = {"PASS": 0, "FAIL": 5, "INCONCLUSIVE": 3, "NODATA": 4}
"""By status. 1 is an error, 2 wrong usage, 130 Ctrl-C."""

RENDERINGS = ("text", "markdown", "junit", "annotations")


def rendered(judged: Judged, rendering: str) -> str:
    """A verdict in one of ``RENDERINGS``; text has colours on a terminal, unless NO_COLOR is set."""
    from flightdeck.presentation import annotations, junit, markdown, text

    if rendering == "text":
        return text.text(judged, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    return {"markdown": markdown.markdown, "junit": junit.junit, "annotations": annotations.annotated}[rendering](
        judged
    )
