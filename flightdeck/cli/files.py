"""Files that a command writes because it was told to."""

from __future__ import annotations

from pathlib import Path

from flightdeck.errors import Invalid


def save(path: Path, content: bytes, *, parents: bool = False) -> None:
    """Writes the file, in place of one that is there; with ``parents``, the folders on the way are made.

    Raises:
        Invalid: it can't be written; the message says why.
    """
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise Invalid(f"{path} can't be written: {error.strerror}.") from error
