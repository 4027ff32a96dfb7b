"""Whose rows of the spool are whose: each process is an owner, and holds the lock of a file of its name while it lives.

The kernel lets the lock go with its process, however that ends, so that the next one takes over at once what it left.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - not on this system
    fcntl = None  # type: ignore[assignment]


class Owners:
    """This process as an owner, ``own``, and the dead ones that it stands for. Used by one thread.

    Raises OSError on construction if the folder can't be used.
    """

    def __init__(self, root: Path) -> None:
        if fcntl is None:
            raise OSError("this system has no file locks that a spool could use")
        self.own = secrets.token_hex(8)
        self._root = root
        self._locks: dict[str, int] = {}
        self.take(self.own)

    @property
    def names(self) -> list[str]:
        """All of them; ours comes last, for its rows are the youngest."""
        return [*(name for name in self._locks if name != self.own), *([self.own] if self.own in self._locks else [])]

    def others(self) -> list[str]:
        """Owners that have a file and are none of ours, dead or alive."""
        return sorted({path.stem for path in self._root.glob("*.lock")} - set(self._locks))

    def take(self, owner: str) -> bool:
        """Becomes that owner, if no living process is."""
        shown = self._root / f"{owner}.lock"
        hidden = self._root / f".{owner}" if owner == self.own else shown  # nobody sees ours before it is locked
        lock = os.open(hidden, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        hidden.rename(shown)
        self._locks[owner] = lock
        return True

    def end(self, owner: str) -> None:
        """Removes an owner that has nothing left."""
        (self._root / f"{owner}.lock").unlink(missing_ok=True)
        os.close(self._locks.pop(owner))

    def let_go(self) -> None:
        """Closes the locks, in a forked child too: one that the child kept would outlive its parent."""
        while self._locks:
            with contextlib.suppress(OSError):
                os.close(self._locks.popitem()[1])
