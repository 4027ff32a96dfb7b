"""Runs that wait on disk, for agents that must not lose them when they are killed while the server is away.

Each process writes in a folder of its own below ``FLIGHTDECK_SPOOL_DIR/<server>`` and holds its lock; what a dead
process left is taken over by the next one that looks, oldest first. A segment is deleted once all of it is delivered:
after a kill some runs are posted twice, which the server knows how to take. What is written survives the end of the
process, however it comes; it is not forced to the disk itself, so the end of the machine may cost it.

When the disk is full or can't be written, runs wait in memory as without a spool, and go to disk again once they can.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from flightdeck.otel.instrumentation.counters import Counters
from flightdeck.otel.instrumentation.outbox import BATCH_BYTES, BATCH_EVENTS, Outbox
from flightdeck.otel.instrumentation.throttled import ThrottledLog
from flightdeck.otel.spans import Span

try:
    import fcntl
except ImportError:  # pragma: no cover - not on this system
    fcntl = None  # type: ignore[assignment]

SEGMENT_BYTES = 1024 * 1024
"""So much at most is posted again after a kill."""

LONGEST_LINE = 4 * 1024 * 1024
ADOPT_EVERY_S = 60.0
_LOCK, _TRACES = "lock", "traces.jsonl"
_FIELDS = {field.name: field.default for field in fields(Span)}


@dataclass(slots=True)
class _Segment:
    """A file of events, one a line; those before ``offset`` are delivered."""

    path: Path
    size: int = 0
    offset: int = 0
    events: int = 0


class Spool:
    """A queue of encoded runs on disk, in the order in which they were put. Used by one thread.

    Raises OSError on construction if the folder can't be used at all.
    """

    def __init__(self, folder: Path, url: str, *, most_bytes: int, counters: Counters, log: ThrottledLog) -> None:
        if fcntl is None:
            raise OSError("this system has no file locks that a spool could use")
        self.dropped = 0
        self._most_bytes = most_bytes
        self._segment_bytes = max(1, min(SEGMENT_BYTES, most_bytes // 8))
        self._counters = counters
        self._log = log
        self._segments: deque[_Segment] = deque()
        self._memory = Outbox()
        self._batch: list[int] = []
        self._writer: int | None = None
        self._written = 0
        self._traces_size = 0
        self._locks: dict[Path, int] = {}
        self._root = folder / hashlib.sha256(url.encode()).hexdigest()[:12]
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._own = self._made()
        _open_spools.add(self)

    def _made(self) -> Path:
        """A new folder that nobody can see before it is locked."""
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}"
        hidden = self._root / f".{name}"
        hidden.mkdir(mode=0o700)
        lock = os.open(hidden / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        own = self._root / name
        hidden.rename(own)
        self._locks[own] = lock
        return own

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._segments and self._memory.empty

    @property
    def full_batch(self) -> bool:
        """Whether a whole request's worth is waiting."""
        first = self._segments[0] if self._segments else None
        whole = first is not None and (first.events >= BATCH_EVENTS or first.size - first.offset >= BATCH_BYTES)
        return whole or len(self._segments) > 1 or self._memory.full_batch

    @property
    def safe(self) -> bool:
        """Whether all that waits is on disk."""
        return self._memory.empty

    def put(self, events: Iterable[bytes]) -> None:
        """Appends events; over the bound the oldest segments give way and are counted in ``dropped``."""
        waiting = [*self._memory.drained(), *events]
        try:
            while waiting:
                waiting = waiting[self._append(waiting) :]
        except OSError as error:
            self._counters.spool_errors += 1
            self._log.warn(f"runs wait in memory, the spool {self._root} can't be written: {error.strerror or error}")
            self._memory.put(waiting)
            self.dropped += self._memory.dropped
            self._memory.dropped = 0
        while sum(segment.size for segment in self._segments) > self._most_bytes:
            self._drop_first()

    def batch(self) -> list[bytes]:
        """The next request's events, oldest first; they stay until ``done``. Empty when nothing waits."""
        while self._segments:
            segment = self._segments[0]
            events, self._batch = self._read(segment)
            if events:
                return events
            self._finish(segment)
        self._batch = []
        return self._memory.batch()

    def done(self, count: int) -> None:
        """Says that the first ``count`` events of the last batch need not be tried again."""
        if not self._batch:
            self._memory.done(count)
            return
        segment = self._segments[0]
        segment.offset += sum(self._batch[:count])
        segment.events = max(0, segment.events - count)
        self._batch = []
        if segment.offset >= segment.size:
            self._finish(segment)

    def close(self) -> tuple[int, int]:
        """Lets go of everything; how many events stay on disk for the next process, and how many are lost."""
        kept, lost = sum(segment.events for segment in self._segments), self._memory.clear()
        if not self._segments and not self._traces_size:
            self._remove(self._own)
        self.let_go()
        return kept, lost

    def let_go(self) -> None:
        """Closes what is open, in a forked child too: a lock that the child kept would outlive its parent."""
        for open_file in filter(None, [self._writer, *self._locks.values()]):
            with contextlib.suppress(OSError):
                os.close(open_file)
        self._writer = None
        self._locks.clear()
        _open_spools.discard(self)

    def keep(self, traces: Sequence[Sequence[Span]]) -> bool:
        """Keeps mapped traces that can't be made into runs before the server has told its releases; False if not."""
        if not traces:
            return True
        blob = b"".join(_line(spans) for spans in traces)
        if self._traces_size + len(blob) > self._most_bytes:
            return False
        try:
            file = os.open(self._own / _TRACES, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
            try:
                _write(file, blob)
            except OSError:
                os.ftruncate(file, self._traces_size)
                raise
            finally:
                os.close(file)
        except OSError as error:
            self._counters.spool_errors += 1
            self._log.warn(f"traces wait in memory, the spool {self._root} can't be written: {error.strerror or error}")
            return False
        self._traces_size += len(blob)
        return True

    def forget(self) -> None:
        """The traces that were kept are runs now."""
        if self._traces_size:
            self._traces_size = 0
            (self._own / _TRACES).unlink(missing_ok=True)

    def adopted(self) -> list[list[Span]]:
        """Takes over what dead processes left: runs go to the front of the queue, traces are returned."""
        found: list[_Segment] = []
        traces: list[list[Span]] = []
        for folder in self._abandoned():
            for path in sorted(folder.glob("runs-*.jsonl")):
                try:
                    data = path.read_bytes()
                except OSError as error:
                    self._counters.spool_errors += 1
                    self._log.warn(f"{path} can't be read: {error.strerror or error}")
                    continue
                found.append(_Segment(path, len(data), events=data.count(b"\n")))
                self._counters.runs_recovered += data.count(b"\n")
            traces += self._kept_in(folder / _TRACES)
            if not any(segment.path.parent == folder for segment in found):
                self._remove(folder)
        self._segments.extendleft(reversed(found))
        return traces

    def _abandoned(self) -> Iterator[Path]:
        for folder in sorted(self._root.iterdir()):
            if folder in self._locks or folder.name.startswith("."):
                continue
            try:
                lock = os.open(folder / _LOCK, os.O_RDWR)
            except OSError:
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # its process lives
                os.close(lock)
                continue
            self._locks[folder] = lock
            yield folder

    def _kept_in(self, path: Path) -> list[list[Span]]:
        """The traces of a dead process, kept again as ours before its file goes."""
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError:
            return []
        self._counters.spool_damaged += bool(lines.pop())
        traces = []
        for line in lines:
            try:
                rows = json.loads(line)
                traces.append([Span(**{key: row[key] for key in row if key in _FIELDS}) for row in rows])
            except (ValueError, TypeError):
                self._counters.spool_damaged += 1
        self.keep(traces)
        path.unlink(missing_ok=True)
        return traces

    def _append(self, events: Sequence[bytes]) -> int:
        """Writes events to the last segment, as many as fit; how many that were, one at least."""
        tail = self._segments[-1] if self._segments and self._writer is not None else None
        if tail is not None and tail.size >= self._segment_bytes:
            self._close_writer()
            tail = None
        if tail is None:
            self._written += 1
            tail = _Segment(self._own / f"runs-{self._written:08d}.jsonl")
            self._writer = os.open(tail.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
            self._segments.append(tail)
        count, size = 0, 0
        while count < len(events) and (count == 0 or tail.size + size < self._segment_bytes):
            size += len(events[count]) + 1
            count += 1
        blob = b"".join(event + b"\n" for event in events[:count])
        assert self._writer is not None  # noqa: S101 - opened above
        try:
            _write(self._writer, blob)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._writer, tail.size)
            if not tail.size:
                self._finish(tail)
            raise
        tail.size += len(blob)
        tail.events += count
        return count

    def _read(self, segment: _Segment) -> tuple[list[bytes], list[int]]:
        """The next events of a segment, and how many bytes each took; what is damaged is skipped and counted."""
        try:
            with segment.path.open("rb") as file:
                file.seek(segment.offset)
                data = file.read(min(LONGEST_LINE, segment.size - segment.offset))
        except OSError as error:
            self._counters.spool_errors += 1
            self.dropped += segment.events
            self._log.warn(f"{segment.path} can't be read: {error.strerror or error}")
            return [], []
        lines = data.split(b"\n")
        rest = lines.pop()
        if not lines and rest:  # torn by the end of its process
            self._counters.spool_damaged += 1
            self.dropped += segment.events
            return [], []
        events: list[bytes] = []
        sizes: list[int] = []
        taken = 0
        for line in lines:
            if len(events) == BATCH_EVENTS or (events and taken + len(line) > BATCH_BYTES):
                break
            taken += len(line) + 1
            if line.startswith(b"{") and line.endswith(b"}"):
                events.append(line)
                sizes.append(len(line) + 1)
                continue
            self._counters.spool_damaged += 1
            if sizes:
                sizes[-1] += len(line) + 1
            else:
                segment.offset += len(line) + 1
        return events, sizes

    def _finish(self, segment: _Segment) -> None:
        """Removes a segment, and the folder of a dead process with its last one."""
        self._segments.remove(segment)
        if self._writer is not None and segment.path.parent == self._own and segment.path.name == self._tail_name():
            self._close_writer()
        with contextlib.suppress(OSError):
            segment.path.unlink(missing_ok=True)
        folder = segment.path.parent
        if folder != self._own and not any(other.path.parent == folder for other in self._segments):
            self._remove(folder)

    def _tail_name(self) -> str:
        return f"runs-{self._written:08d}.jsonl"

    def _close_writer(self) -> None:
        if self._writer is not None:
            os.close(self._writer)
            self._writer = None

    def _drop_first(self) -> None:
        segment = self._segments[0]
        self.dropped += segment.events
        self._batch = []
        self._finish(segment)

    def _remove(self, folder: Path) -> None:
        """Removes an emptied folder and gives its lock back; one that still holds something stays for the next."""
        with contextlib.suppress(OSError):
            if all(path.name == _LOCK for path in folder.iterdir()):
                (folder / _LOCK).unlink(missing_ok=True)
                folder.rmdir()
        lock = self._locks.pop(folder, None)
        if lock is not None:
            with contextlib.suppress(OSError):
                os.close(lock)


def _write(file: int, blob: bytes) -> None:
    """Writes all of it; a disk that takes a part is full, and raises with the next one."""
    left = memoryview(blob)
    while left:
        left = left[os.write(file, left) :]


def _line(spans: Sequence[Span]) -> bytes:
    """A trace in one line: of each span what differs from the default."""
    rows = [
        {name: value for name, default in _FIELDS.items() if (value := getattr(span, name)) != default}
        for span in spans
    ]
    return json.dumps(rows, separators=(",", ":")).encode() + b"\n"


_open_spools: weakref.WeakSet[Spool] = weakref.WeakSet()


def _let_go_in_child() -> None:
    for spool in list(_open_spools):
        spool.let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)
