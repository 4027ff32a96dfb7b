"""The small file by which commands find the server of their workspace: ``.flightdeck/server.json``."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from flightdeck.announcement import SERVER_FILE


@contextmanager
def announced(workspace: Path, facts: Mapping[str, object]) -> Iterator[None]:
    """Says in the workspace's file that this process serves it; the file goes with the block.

    The file appears whole, only its owner may read it, and another server's file is never removed.
    """
    path = workspace / SERVER_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({**facts, "pid": os.getpid()}, indent=2) + "\n"
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix="server-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    Path(draft).replace(path)
    try:
        yield
    finally:
        if _content(path) == content:
            path.unlink(missing_ok=True)


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
