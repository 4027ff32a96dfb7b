"""Where spans land: a table without storage, the view that maps what is inserted there, and the table ``spans``.

The wire's bytes are inserted as they came (``landing.proto`` says what of them is read); the view keeps, of each span,
the columns that the attribute table feeds, and drops everything else. Landing table and view are named by a hash of
what made them. So a new attribute table brings a new pair, and a server that still runs with the old one goes on
landing through its own: nothing is ever dropped between two statements while spans arrive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flightdeck.otel import semconv
from flightdeck.otel.spans import SPAN_FIELDS, Column, Mapper
from flightdeck.store import exports, traces
from flightdeck.store.client import Data, Engine
from flightdeck.store.lookup import SORTS
from flightdeck.store.mapping import select
from flightdeck.store.readers import NONE

MIB = 1024 * 1024

SPANS = "spans"
_PREFIX = "otlp_traces_"
_MESSAGE = "Traces"

_TYPES: dict[Column, str] = {
    Column.TRACE_ID: "FixedString(16)",
    Column.SPAN_ID: "FixedString(8)",
    Column.NANOSECONDS: "UInt64",
    Column.MICROSECONDS: "UInt64",
    Column.FLAG: "UInt8",
    Column.OPTIONAL_FLAG: "Nullable(UInt8)",
    Column.TOKENS: "Nullable(UInt32)",
    Column.NAME: "LowCardinality(String)",
    Column.TEXT: "String",
}

_SPANS = """
CREATE TABLE IF NOT EXISTS {table} (
    workspace UInt32, writer UInt64, {columns}, version {version}
) ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(toDateTime(intDiv(landed_us, 1000000), 'UTC'))
ORDER BY (workspace, trace_id, span_id)
TTL {ttl}
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1
"""
# Of versions of one span the latest end wins, then the larger hash of what is stored of it. The table's own default, so
# that it is the same whichever way a span comes in.
_VERSION = "UInt128 DEFAULT bitShiftLeft(toUInt128(end_ns), 64) + cityHash64({hashed}) COMMENT '{mark}'"
_TTL = "toDateTime(intDiv(landed_us, 1000000), 'UTC') + INTERVAL {days} DAY"

_SORT = ", ".join(f"'{name}' = {number}" for name, number in (("none", 0), *SORTS.items()))
_ATTRIBUTES = f"""Nested(key String, value Tuple(string_value String, bool_value UInt8, int_value Int64,
    double_value Float64, value Enum8({_SORT})))"""
_LANDING = f"""(
    workspace UInt64, landed_us UInt64, writer UInt64,
    resource_spans Nested(
        resource Tuple(attributes {_ATTRIBUTES}),
        scope_spans Nested(scope Tuple(name String), spans Nested(
            trace_id String, span_id String, parent_span_id String, name String, kind Int32, flags UInt32,
            start_time_unix_nano UInt64, end_time_unix_nano UInt64, status Tuple(code Int32),
            attributes {_ATTRIBUTES},
            events Nested(name String, attributes Nested(key String, value Tuple(string_value String)))))))
ENGINE = Null"""


SMALL_BYTES = 256 * 1024
"""Batches up to here are mapped in this process (``store/exports.py``)."""

_INSERTED = ", ".join(("workspace", "writer", *(name for name, _ in SPAN_FIELDS)))

# How much of an insert is gathered before it is written. With the engine's own sizes (a million rows, 256 MB) a batch
# of many small spans would be held whole, in more memory than an embedded one may have. Bounding what is read at a time
# (input_format_max_block_size_bytes) would save more memory, but costs half as much CPU time again.
_BLOCKS = {
    "min_insert_block_size_rows": 100_000,
    "min_insert_block_size_bytes": 32 * MIB,
    "min_insert_block_size_rows_for_materialized_views": 100_000,
    "min_insert_block_size_bytes_for_materialized_views": 32 * MIB,
}
# The view's query is planned for every insert, which takes most of the time of a small one. These steps of planning
# have nothing to gain in it.
_PLANNING = {
    "optimize_and_compare_chain": 0,
    "query_plan_enable_optimizations": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 0,  # rows replace themselves
}
# Versions of one span in one insert are rare; who reads spans looks for versions anyway.
_ANY_ROWS = {"max_partitions_per_insert_block": 0, "optimize_on_insert": 0}


@dataclass(frozen=True, slots=True)
class Landing:
    """A way in for spans that is ready; made by :func:`prepare`.

    Batches of up to ``small_bytes`` are mapped in this process, larger ones by the engine.
    """

    engine: Engine
    table: str
    mapper: Mapper
    small_bytes: int = SMALL_BYTES

    def land(self, batch: Data) -> None:
        """Stores the spans of length-delimited export requests, each with its suffix; returns when they are stored.

        A failed call may have stored a part of them. Repeating it is harmless: rows replace themselves.

        Raises:
            Invalid: a request in the batch can't be read; which one is not known.
            StoreUnavailable: the store's fault; the same batch may pass later.
        """
        pieces = [batch] if isinstance(batch, bytes) else batch
        small = sum(map(len, pieces)) <= self.small_bytes
        if small and (columns := exports.columns(b"".join(pieces), self.mapper)):
            self.engine.insert(f"{SPANS} ({_INSERTED})", columns, fmt="Native", settings=_ANY_ROWS)
            return
        self.engine.insert(
            self.table,
            batch,
            fmt="Protobuf",
            settings={
                **self._schema(),
                "format_schema_message_name": _MESSAGE,
                "input_format_protobuf_oneof_presence": 1,
                **_BLOCKS,
                **_ANY_ROWS,
                **_PLANNING,
            },
        )

    def _schema(self) -> dict[str, str]:
        """The embedded engine reads the file; given the text, it would write it out into the current directory."""
        if self.engine.embedded:
            return {"format_schema_source": "file", "format_schema": str(_SCHEMA.resolve())}
        return {"format_schema_source": "string", "format_schema": landing_schema()}


_SCHEMA = Path(__file__).parent / "schema" / "landing.proto"


@cache
def landing_schema() -> str:
    """The text of ``landing.proto``."""
    return _SCHEMA.read_text(encoding="utf-8")


def prepare(
    engine: Engine,
    *,
    retention_days: int = 30,
    tenant_keys: Iterable[str] = (),
    task_keys: Iterable[str] = (),
) -> Landing:
    """Makes what is missing of ``spans``, the landing table and its view.

    Args:
        engine: a store whose numbered migrations have been applied.
        retention_days: how long spans are kept after landing, and what assembly found of them after it was written.
        tenant_keys: a workspace's own attributes for the tenant.
        task_keys: and for the task.
    """
    _make_spans(engine, retention_days)
    rows = semconv.table(tenant_keys, task_keys)
    made_of = "\n".join((_LANDING, landing_schema(), select("", rows)))
    table = _PREFIX + hashlib.sha256(made_of.encode()).hexdigest()[:12]
    view = f"{table}_view"
    there = _landings(engine)
    if table not in there:
        engine.command(f"CREATE TABLE IF NOT EXISTS {table} {_LANDING}", settings={"flatten_nested": 0})
    if view not in there:  # asked first: the statement costs 60 ms of analysis even where the view exists
        engine.command(f"CREATE MATERIALIZED VIEW IF NOT EXISTS {view} TO {SPANS} AS {select(table, rows)}")
    if engine.embedded:  # no other server might still land through an older pair
        for name in sorted(there - {table, view}, reverse=True):  # a view before the table that it reads
            engine.command(f"DROP TABLE {name}")
    return Landing(engine, table, Mapper(rows))


def _make_spans(engine: Engine, retention_days: int) -> None:
    columns = {name: _TYPES[column] for name, column in SPAN_FIELDS}
    ttl = _TTL.format(days=retention_days)
    nullable = {name for name, type_ in columns.items() if "Nullable" in type_}
    named = (name for name in columns if name != "landed_us")
    hashed = ", ".join(f"ifNull({name}, {NONE})" if name in nullable else name for name in named)
    mark = hashlib.sha256(hashed.encode()).hexdigest()[:12]
    version = _VERSION.format(hashed=hashed, mark=mark)
    listed = ", ".join(f"{name} {type_}" for name, type_ in columns.items())
    engine.command(_SPANS.format(table=SPANS, columns=listed, version=version, ttl=ttl))
    described = engine.query(f"DESCRIBE TABLE {SPANS}")
    for name in columns.keys() - set(described.column("name")):
        engine.command(f"ALTER TABLE {SPANS} ADD COLUMN IF NOT EXISTS {name} {columns[name]}")
    if mark not in described.column("comment"):
        engine.command(f"ALTER TABLE {SPANS} MODIFY COLUMN version {version}")
    _keep(engine, SPANS, ttl, retention_days)
    _keep(engine, "findings", f"written + INTERVAL {retention_days} DAY", retention_days)
    # A day longer: while spans of a trace are there, so is the time since when.
    _keep(engine, "traces", f"first + INTERVAL {retention_days + 1} DAY", retention_days + 1)
    traces.complete(engine)


def _keep(engine: Engine, table: str, ttl: str, days: int) -> None:
    """Has a table keep its rows for so many days, if it does not already."""
    made = engine.query(
        "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {t:String}",
        {"t": table},
    )
    if f"toIntervalDay({days})" not in made.column("create_table_query")[0]:
        engine.command(f"ALTER TABLE {table} MODIFY TTL {ttl}")


def _landings(engine: Engine) -> set[str]:
    """The landing tables and views of this and other mappings."""
    found = engine.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, {prefix:String})",
        {"prefix": _PREFIX},
    )
    return set(found.column("name"))
