"""Since when spans of a trace have landed: what lets assembly leave out the parts that can hold none of them.

Nearly every trace that is assembled is new, but only a look-up tells. In ``spans`` that look-up would go through every
part of every day that spans are kept; here it goes through one narrow table.

Who assembles notes first and reads spans then. So of two receivers that land spans of one trace, the one that notes
later finds what the other noted, however long ago that one's spans landed; and the other looks again after it has
written.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterable, Mapping

from flightdeck.store import packed
from flightdeck.store.client import Engine
from flightdeck.store.spans import TraceKey

logger = logging.getLogger(__name__)

HOUR_S = 3600
_SECOND_US = 1_000_000
KEYS_PER_QUERY = 10_000
"""So many keys stay below what a served ClickHouse takes as one parameter (128 KiB)."""

_ROW = struct.Struct("<QI")

_FIRST = f"SELECT key, toUnixTimestamp(min(first)) FROM traces WHERE key IN ({packed.KEYS}) GROUP BY key"  # noqa: S608

_KEY = "reinterpretAsUInt64(substring(trace_id, 9))"
_COMPLETE = "complete"
_FILL = f"""
INSERT INTO traces
SELECT {_KEY}, toStartOfHour(toDateTime(intDiv(min(landed_us), {_SECOND_US}), 'UTC'))
FROM spans
GROUP BY workspace, trace_id
SETTINGS optimize_aggregation_in_order = 1, optimize_on_insert = 0
"""  # noqa: S608 (constants only)


def note(engine: Engine, landed: Mapping[TraceKey, int | None]) -> dict[TraceKey, int]:
    """Notes that spans of traces landed, and answers since when spans of each may have landed.

    Args:
        engine: the store.
        landed: the first landing of each trace that is known, Unix µs; None where none is.

    Returns:
        Of each trace a landing time, Unix µs, before which nothing of it landed; 0 where nothing is known of it.

    Raises:
        StoreUnavailable: it is not noted, or not for sure; noting it again is harmless.
    """
    keys = {trace: _key(trace[1]) for trace in landed}
    stored = _stored(engine, keys.values())
    since: dict[TraceKey, int] = {}
    new: dict[int, int] = {}
    for trace, us in landed.items():
        key = keys[trace]
        known = stored.get(key)
        hour = us // _SECOND_US // HOUR_S * HOUR_S if us is not None else None
        if hour is not None and (known is None or hour < known):
            new[key] = min(hour, new.get(key, hour))
        since[trace] = min((first for first in (known, hour) if first is not None), default=0) * _SECOND_US
    if new:
        rows = b"".join(_ROW.pack(*row) for row in new.items())
        engine.insert("traces (key, first)", rows, fmt="RowBinary", settings={"optimize_on_insert": 0})
    return since


def complete(engine: Engine) -> None:
    """Notes what landed before the table was there. To be done once, after ``spans`` was made; repeating is harmless.

    Raises:
        StoreUnavailable: it is not all noted; the next call goes on.
    """
    said = engine.query("SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = 'traces'")
    if said.column("comment")[0] == _COMPLETE:
        return
    if len(engine.query("SELECT 1 FROM spans LIMIT 1")):
        logger.info("Noting since when spans of each stored trace have landed; this is done once")
        engine.command(_FILL)
    engine.command(f"ALTER TABLE traces MODIFY COMMENT '{_COMPLETE}'")


def _stored(engine: Engine, keys: Iterable[int]) -> dict[int, int]:
    """The first landing of the traces that are known, Unix seconds."""
    found: dict[int, int] = {}
    for some in packed.portions(keys, KEYS_PER_QUERY):
        found.update(engine.query(_FIRST, {"keys": some}).rows())
    return found


def _key(trace_id: str) -> int:
    return int.from_bytes(bytes.fromhex(trace_id[16:]), "little")
