"""The folder of the workspace that commands work in."""

from __future__ import annotations

import os
from pathlib import Path

from flightdeck.errors import Misconfigured


def workspace(*, missing: bool = False) -> Path:
    """The folder that FLIGHTDECK_WORKSPACE names, else the current one.

    Args:
        missing: whether it may be missing, because the command makes it.

    Raises:
        Misconfigured: it is named, and is no folder: a typing error must not start an empty workspace.
    """
    named = os.environ.get("FLIGHTDECK_WORKSPACE", "")
    folder = Path(named or ".")
    if named and not folder.is_dir() and not (missing and not folder.exists()):
        what = "is no folder" if folder.exists() else "does not exist"
        raise Misconfigured(
            f"FLIGHTDECK_WORKSPACE names {folder.absolute()}, which {what}.",
            hint="Correct it, or make the folder a workspace with `flightdeck init`.",
        )
    return folder
