"""Finding the rows of runs by run id or trace, and taking rows back.

``run_index`` is sorted by a 64-bit key of the run id. An id of the form ``<trace>-<span>``, which is what runs made of
spans have unless they name one themselves, has the key of its trace, so that one look finds both.
"""

from __future__ import annotations

import hashlib
import re
import struct
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import orjson

from flightdeck.store import packed
from flightdeck.store.client import Engine
from flightdeck.store.packed import Packed
from flightdeck.store.precedence import Place, Stored, by_run, newest, winner

WRITING = threading.Lock()
"""Held from the look-up to the write: who looks must see what another thread of this process has just written.

Receivers in other processes are not held; two that write one run within the same instant can both see nothing. So both
look once more after they have written (``take_back_beaten``).
"""

INSERT_SETTINGS: Mapping[str, Any] = {
    "date_time_input_format": "best_effort",
    "input_format_skip_unknown_fields": 1,
    "max_partitions_per_insert_block": 0,
}
"""Of every insert of runs: rows may be of any number of days."""

KEYS_PER_QUERY = 5_000

_OF_SPAN = re.compile(r"([0-9a-f]{32})-[0-9a-f]{16}")


def key(run_id: str) -> int:
    """The index key of a run id, or of a trace id (32 hex digits): both are the same for ``<trace>-<span>``.

    >>> trace = "0af7651916cd43dd8448eb211c80319c"
    >>> key(trace) == key(f"{trace}-b7ad6b7169203331"), key("a") == key("b")
    (True, False)
    """
    return trace_key(trace_of(run_id) or run_id)


def trace_key(trace_id: str) -> int:
    """The index key of what is known to be a trace id."""
    return int.from_bytes(hashlib.sha256(trace_id.encode(), usedforsecurity=False).digest()[:8], "little")


def trace_of(run_id: str) -> str:
    """The trace that a run id of the form ``<trace>-<span>`` names, "" for any other."""
    match = _OF_SPAN.fullmatch(run_id)
    return match[1] if match else ""


_FIND = f"""
SELECT
    workspace, agent_id, release_id, environment, toUnixTimestamp(hour), run_id, trace_id, version, is_deleted, source,
    type, content
FROM run_index
WHERE key IN ({packed.KEYS})
"""  # noqa: S608 (made of constants; keys are bound)


def portions(keys: Iterable[int]) -> Iterator[Packed]:
    """Distinct keys, as many at a time as one query may ask for."""
    return packed.portions(keys, KEYS_PER_QUERY)


def find(engine: Engine, keys: Iterable[int]) -> dict[Place, Stored]:
    """The newest row at every place of the runs with these keys, taken back ones included.

    Keys are hashes: the answer may hold runs that nobody asked for.
    """
    found: list[Stored] = []
    for some in portions(keys):
        for row in engine.query(_FIND, {"keys": some}).rows():
            place, (trace_id, version, is_deleted, source, type_, content) = Place(*row[:6]), row[6:]
            trace_id = trace_id or trace_of(place.run_id)
            found.append(Stored(place, trace_id, version, not is_deleted, source, type_, content))
    return newest(found)


_COLUMNS = """key, workspace, agent_id, release_id, environment, hour, run_id, trace_id, version, is_deleted, source,
    type, content"""
_TYPES = {"run_end": 0, "run_start": 1}


def entry(key: int, place: Place, version: int, type_: str, content: bytes) -> bytes:
    """What the index says of a native event, in ClickHouse's RowBinary."""
    return b"".join(
        (
            _KEY.pack(key, place.workspace),
            _text(place.agent_id),
            _text(place.release_id),
            _text(place.environment),
            _HOUR.pack(place.hour),
            _text(place.run_id),
            _END.pack(0, version, 0, 0, _TYPES[type_], content),
        )
    )


_KEY = struct.Struct("<QQ")
_HOUR = struct.Struct("<I")
_END = struct.Struct("<BQBbb16s")
"""An empty text, the version, not deleted, native."""


def _text(text: str) -> bytes:
    data = text.encode()
    size, head = len(data), b""
    while size > 0x7F:  # seven bits at a time, the lowest first
        head += bytes((size & 0x7F | 0x80,))
        size >>= 7
    return b"%b%c%b" % (head, size, data)


def insert(engine: Engine, entries: Iterable[bytes]) -> None:
    """Stores entries; raises what ``Engine.insert`` raises."""
    # Keys of one insert are different: looking for rows that replace each other finds none.
    settings = {"max_partitions_per_insert_block": 0, "optimize_on_insert": 0}
    engine.insert(f"run_index ({_COLUMNS})", b"".join(entries), fmt="RowBinary", settings=settings)


def take_back_beaten(engine: Engine, keys: Iterable[int]) -> None:
    """Of each run with these keys takes back the rows that lie elsewhere than the one that counts.

    For after a write: what another receiver wrote in the same instant was not there when this one looked. Both look
    again after they have written, so at least the later of them sees both rows; which one counts they agree on. An
    embedded store has no other receiver.
    """
    if engine.embedded:
        return
    beaten: list[tuple[Stored, int]] = []
    for rows in by_run(find(engine, keys)).values():
        best = winner(rows)
        beaten += ((row, best.version) for row in rows if best and row.live and row.place != best.place)
    take_back(engine, beaten)


def take_back(engine: Engine, rows: Collection[tuple[Stored, int]]) -> None:
    """Takes stored rows back, each with the version of what wins over it. A call that failed must be repeated.

    The index comes last: what it says is taken back is not taken back again.
    """
    if rows:
        runs = [_taken_back(row, version) | _of_run(row) for row, version in rows]
        index = [_taken_back(row, version) | of_key for row, version in rows for of_key in _of_index(row)]
        for table, lines in (("runs", runs), ("run_index", index)):
            engine.insert(table, b"\n".join(map(orjson.dumps, lines)), fmt="JSONEachRow", settings=INSERT_SETTINGS)


def _taken_back(row: Stored, version: int) -> dict[str, object]:
    """What both tables hold of a row that takes a stored one back; a column that is missing has its default."""
    return {**row.place._asdict(), "version": version, "is_deleted": 1, "source": row.source, "type": row.type}


def _of_run(row: Stored) -> dict[str, object]:
    return {"timestamp": row.place.hour, "run_key": key(row.place.run_id)}


def _of_index(row: Stored) -> Iterator[dict[str, object]]:
    """Under the key of the run's id and, where that is another one, of its trace."""
    run_key = key(row.place.run_id)
    of_trace = trace_key(row.trace_id) if row.trace_id else run_key
    for one in {run_key, of_trace}:
        yield {"key": one, "trace_id": "" if run_key == of_trace else row.trace_id}
