"""Runs that wait on disk, for agents that must not lose them when they are killed while the server is away.

``FLIGHTDECK_SPOOL_DIR/<server>/runs.db`` is one SQLite database for all processes that report to a server. Each sends
the rows it put, and those of processes that are dead: an owner of rows holds the lock of a file of its name, which the
kernel lets go with it. A row is deleted once it is delivered, so that after a kill some runs are posted twice, which
the server knows how to take.

The journal is a write-ahead log with ``synchronous=NORMAL``: what is committed survives the end of the process, however
it comes; the end of the machine may cost the last commits, never the file. When the disk is full or the file can't be
used, runs wait in memory as without a spool, and go to disk again once they can; a damaged file is set aside.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from flightdeck.otel.instrumentation.counters import Counters
from flightdeck.otel.instrumentation.outbox import BATCH_BYTES, BATCH_EVENTS, Outbox
from flightdeck.otel.instrumentation.owners import Owners
from flightdeck.otel.instrumentation.throttled import ThrottledLog
from flightdeck.otel.spans import Span

BUSY_S = 1.0
"""How long another process's commit is waited for."""

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FIELDS = {field.name: field.default for field in fields(Span)}
_PREPARE = (
    "PRAGMA auto_vacuum = INCREMENTAL",  # counts in a new file only
    "PRAGMA journal_mode = WAL",
    "PRAGMA journal_size_limit = 4194304",
    "PRAGMA synchronous = NORMAL",
    "BEGIN IMMEDIATE",
    "CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, event BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS runs_by_owner ON runs (owner)",
    "CREATE TABLE IF NOT EXISTS traces (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, spans BLOB NOT NULL)",
    "COMMIT",
)


class Spool:
    """A queue of encoded runs on disk, in the order in which they were put. Used by one thread.

    Raises OSError on construction if the folder can't be used at all.
    """

    def __init__(self, folder: Path, url: str, *, most_bytes: int, counters: Counters, log: ThrottledLog) -> None:
        self.dropped = 0
        self._most_bytes = most_bytes
        self._counters = counters
        self._log = log
        self._memory = Outbox()
        self._rows = self._bytes = 0
        self._stuck = self._traces = False
        self._owner, self._batch = "", [(0, 0)] * 0
        self._delivered: tuple[str, int] | None = None
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._root = folder / hashlib.sha256(url.encode()).hexdigest()[:12]
        self._path = self._root / "runs.db"
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._owners = Owners(self._root)
        _open_spools.add(self)

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._rows and self._memory.empty

    @property
    def full_batch(self) -> bool:
        """Whether a whole request's worth is waiting, and can be read."""
        return not self._stuck and (self._rows >= BATCH_EVENTS or self._bytes >= BATCH_BYTES or self._memory.full_batch)

    @property
    def safe(self) -> bool:
        """Whether all that waits is on disk."""
        return self._memory.empty

    def put(self, events: Iterable[bytes]) -> None:
        """Appends events; over the bound the oldest, of any process, give way and are counted in ``dropped``."""
        waiting = [*self._memory.drained(), *events]
        for _ in range(2):  # again if the file was damaged: there is a new one then
            with self._careful() as fine, self._transaction() as db:
                rows = [(self._owners.own, event) for event in waiting]
                db.executemany("INSERT INTO runs (owner, event) VALUES (?, ?)", rows)
                dropped = self._make_room(db)
            if fine:
                self._rows += len(waiting)
                self._bytes += sum(map(len, waiting))
                self.dropped += dropped
                return
            if self._path.exists():
                break
        self._memory.put(waiting)
        self.dropped += self._memory.dropped
        self._memory.dropped = 0

    def batch(self) -> list[bytes]:
        """The next request's events, oldest first; they stay until ``done``. Empty when none can be had."""
        self._batch = []
        with self._careful():
            for owner in self._owners.names if self._rows else ():
                if events := self._first(owner):
                    return events
            self._rows = self._bytes = 0
        return [] if self._rows else self._memory.batch()

    def done(self, count: int) -> None:
        """Says that the first ``count`` events of the last batch need not be tried again."""
        if not self._batch:
            self._memory.done(count)
        elif count:
            self._delivered = self._owner, self._batch[count - 1][0]  # remembered until it can be deleted
            self._rows -= count
            self._bytes -= sum(size for _, size in self._batch[:count])
            self._batch = []
            with self._careful():
                with self._transaction() as db:
                    pass
                if self._rows <= 0:
                    db.executescript("PRAGMA incremental_vacuum")  # gives the room back; execute() would do one page

    def keep(self, traces: Sequence[Sequence[Span]]) -> bool:
        """Keeps mapped traces that can't be made into runs before the server has told its releases; False if not."""
        if not traces:
            return True
        rows = [(self._owners.own, _encoded(spans)) for spans in traces]
        with self._careful() as fine, self._transaction() as db:
            if _used(db) + sum(len(spans) for _, spans in rows) > self._most_bytes:
                return False
            db.executemany("INSERT INTO traces (owner, spans) VALUES (?, ?)", rows)
            self._traces = True
        return bool(fine)

    def forget(self) -> None:
        """The traces that were kept are runs now."""
        if self._traces:
            with self._careful(), self._transaction() as db:
                db.executemany("DELETE FROM traces WHERE owner = ?", [(owner,) for owner in self._owners.names])
                self._traces = False

    def adopted(self) -> list[list[Span]]:
        """Takes over what dead processes left: runs go to the front of the queue, traces are returned."""
        traces: list[list[Span]] = []
        with self._careful(), self._transaction() as db:
            named = db.execute("SELECT owner FROM runs GROUP BY owner ORDER BY min(id)").fetchall()
            named += db.execute("SELECT owner FROM traces GROUP BY owner ORDER BY min(id)").fetchall()
            before = self._rows
            for owner in dict.fromkeys([*(name for (name,) in named), *self._owners.others()]):
                kept = db.execute("SELECT spans FROM traces WHERE owner = ? ORDER BY id", (owner,)).fetchall()
                if owner not in self._owners.names and self._owners.take(owner):
                    traces += [spans for (blob,) in kept if (spans := self._decoded(blob))]
            self._traces |= bool(traces)
            self._count(db)
            self._counters.runs_recovered += self._rows - before
            self._end_owners(db)
        return traces

    def close(self) -> tuple[int, int]:
        """Lets go of everything; how many events stay on disk for the next process, and how many are lost."""
        with self._careful(), self._transaction() as db:
            self._count(db)
            self._end_owners(db, own=True)
        kept, lost = self._rows, self._memory.clear()
        self.let_go()
        return kept, lost

    def let_go(self) -> None:
        """Closes what is open; the rows are anybody's then."""
        self._disconnect()
        self._owners.let_go()
        _open_spools.discard(self)

    def inherited(self) -> None:
        """In a forked child: the parent's connection must be neither used nor closed here, so it is never freed."""
        if self._db is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._db))
        self._owners.let_go()

    def _end_owners(self, db: sqlite3.Connection, *, own: bool = False) -> None:
        """Removes the owners that have nothing left, this process only at its end."""
        left = "SELECT 1 FROM runs WHERE owner = :owner UNION ALL SELECT 1 FROM traces WHERE owner = :owner LIMIT 1"
        for owner in self._owners.names:
            if (own or owner != self._owners.own) and not db.execute(left, {"owner": owner}).fetchone():
                self._owners.end(owner)

    def _first(self, owner: str) -> list[bytes]:
        """The first events of an owner that make a request."""
        after = self._delivered[1] if self._delivered and self._delivered[0] == owner else 0
        events: list[bytes] = []
        taken = 0
        wanted = "SELECT id, event FROM runs WHERE owner = ? AND id > ? ORDER BY id LIMIT ?"
        for number, event in self._connected().execute(wanted, (owner, after, BATCH_EVENTS)):
            taken += len(event)
            if events and taken > BATCH_BYTES:
                break
            events.append(event)
            self._batch.append((number, len(event)))
        self._owner = owner
        return events

    def _make_room(self, db: sqlite3.Connection) -> int:
        """Deletes the oldest runs as long as more is used than may be; how many that were."""
        dropped = 0
        while _used(db) > self._most_bytes:
            oldest = db.execute("SELECT id FROM runs ORDER BY id LIMIT ?", (BATCH_EVENTS,)).fetchall()
            if not oldest:
                break
            db.execute("DELETE FROM runs WHERE id <= ?", oldest[-1])
            dropped += len(oldest)
        return dropped

    def _count(self, db: sqlite3.Connection) -> None:
        """Looks how much of ours waits."""
        sums = "SELECT count(*), coalesce(sum(length(event)), 0) FROM runs WHERE owner = ?"
        found = [db.execute(sums, (owner,)).fetchone() for owner in self._owners.names]
        self._rows, self._bytes = sum(rows for rows, _ in found), sum(size for _, size in found)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One transaction; what was delivered and could not be deleted is deleted with it."""
        db = self._connected()
        db.execute("BEGIN IMMEDIATE")
        with db:
            if self._delivered:
                db.execute("DELETE FROM runs WHERE owner = ? AND id <= ?", self._delivered)
            yield db
        self._delivered = None

    @contextlib.contextmanager
    def _careful(self) -> Iterator[list[bool]]:
        """What the disk or SQLite raises is counted and logged. What is given is true afterwards if nothing was."""
        fine: list[bool] = []
        try:
            with _quiet:
                yield fine
        except (sqlite3.Error, OSError) as error:
            self._stuck = True
            self._counters.spool_errors += 1
            self._disconnect()
            code = getattr(error, "sqlite_errorcode", 0) or 0
            if code & 0xFF in _DAMAGED:
                self._set_aside(error)
            else:
                self._log.warn(f"runs wait in memory, the spool {self._root} can't be used: {error}")
        else:
            self._stuck = False
            fine.append(True)

    def _set_aside(self, error: Exception) -> None:
        """Renames a damaged file, unless another process has done so."""
        self._counters.spool_damaged += 1
        self.dropped += self._rows
        self._rows = self._bytes = 0
        self._delivered = None
        with contextlib.suppress(OSError):
            if self._file == _identity(self._path):
                self._path.replace(self._path.with_suffix(".damaged"))
                for suffix in ("-wal", "-shm"):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._log.warn(f"{self._path} is damaged ({error}); it is set aside as runs.damaged, its runs are lost")

    def _connected(self) -> sqlite3.Connection:
        """The connection, a new one if the file is another one by now: set aside, or deleted."""
        if self._db is not None and self._file == _identity(self._path):
            return self._db
        self._disconnect()
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):  # never opened twice: closing it would let go of SQLite's locks
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if self._file != _identity(self._path):
            self._file, self._delivered = _identity(self._path), None
        self._db = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        for statement in _PREPARE:
            self._db.execute(statement)
        return self._db

    def _disconnect(self) -> None:
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error), _quiet:
                self._db.close()
            self._db = None

    def _decoded(self, blob: bytes) -> list[Span]:
        try:
            return [Span(**{key: row[key] for key in row if key in _FIELDS}) for row in json.loads(blob)]
        except (ValueError, TypeError):
            self._counters.spool_damaged += 1
            return []


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _used(db: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return (pages - free) * size


def _encoded(spans: Sequence[Span]) -> bytes:
    """A trace: of each span what differs from the default."""
    rows = [
        {name: value for name, default in _FIELDS.items() if (value := getattr(span, name)) != default}
        for span in spans
    ]
    return json.dumps(rows, separators=(",", ":")).encode()


_open_spools: weakref.WeakSet[Spool] = weakref.WeakSet()
_quiet = threading.RLock()
"""Held while SQLite works and while the process forks: one of its mutexes could stay held in the child."""


def _in_child() -> None:
    _quiet.release()
    for spool in list(_open_spools):
        spool.inherited()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_quiet.acquire, after_in_parent=_quiet.release, after_in_child=_in_child)
