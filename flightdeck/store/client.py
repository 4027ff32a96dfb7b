"""One engine, two homes: ClickHouse in this process (``chdb:///path``) or served (``clickhouse://user:pw@host/db``).

Everything above asks through :class:`Engine`, with the same SQL for both. The engine lends a client for the length of
one call, since a client serialises its own calls: as many calls run side by side as threads ask. It must not be used
after a fork; a forked child would hang in the engine, so it is refused instead.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError, MaxRetryError

from flightdeck.errors import FlightDeckError, Invalid, StoreUnavailable
from flightdeck.settings import StoreSettings
from flightdeck.store.home import Connect

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

IDLE_CLIENTS = 8
PIPE_BYTES = 1024 * 1024
"""Held by the pipe of an insert, at most: what any user may ask for, on a system that was not told otherwise."""

Data = bytes | Sequence[bytes]
"""What is inserted: in one piece, or in pieces that follow each other."""

# What the client and its transport log of a failed call is raised as well, and told once, where it is handled.
for _name in ("clickhouse_connect", "urllib3.connectionpool"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

# Names of ClickHouse errors that say "these bytes can't be read": the request's fault, not the store's.
_REFUSED = re.compile(
    r"CANNOT_(PARSE|READ|CONVERT|DECOMPRESS|EXTRACT|INSERT_NULL)\w*|\w*PROTOBUF\w*|INCORRECT_DATA|ATTEMPT_TO_READ_AFTER_EOF"
    r"|TOO_LARGE_(STRING|ARRAY)_SIZE|TOO_DEEP_RECURSION|TYPE_MISMATCH|VALUE_IS_OUT_OF_RANGE\w*|DECIMAL_OVERFLOW"
    r"|ARGUMENT_OUT_OF_BOUND|UNKNOWN_FIELD|ILLEGAL_COLUMN"
)
# Reading a part from disk fails with names like those above, but as the store's fault.
_STORE = re.compile(r"CANNOT_READ_(ALL_DATA_FROM_|FROM_)|CANNOT_READ_FROM_FILE_DESCRIPTOR|CANNOT_READ_FROM_SOCKET")


@dataclass(frozen=True, slots=True)
class Columns:
    """A query's answer, column by column. Without a row there may be no columns either."""

    names: Sequence[str]
    data: Sequence[Sequence[Any]]

    def __len__(self) -> int:
        return len(self.data[0]) if self.data else 0

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The same, row by row."""
        return zip(*self.data, strict=True)

    def column(self, name: str) -> Sequence[Any]:
        """One column by its name; empty when the answer has no row."""
        return self.data[list(self.names).index(name)] if self.data else ()


class Engine:
    """A store that is open. Safe to use from any number of threads; ``close`` may be called more than once.

    Attributes:
        embedded: ClickHouse runs in this process, which alone has the store's files.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._process = os.getpid()
        self._state = threading.Condition()
        self._idle: list[Client] = []
        self._lent = 0
        self._closed = False
        self.embedded = connect.hold is not None

    @classmethod
    def open(cls, settings: StoreSettings) -> Engine:
        """Opens the store and checks that it answers; a database that a server does not have yet is made.

        Raises:
            Misconfigured: the DSN is none.
            StoreUnavailable: the server does not answer, or another process has the embedded store open.
        """
        engine = cls(Connect.of(settings))
        try:
            with engine._client() as client:
                client.query("SELECT 1")
        except BaseException:
            engine.close()
            raise
        return engine

    def query(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> Columns:
        """Asks; values are bound as ``{name:Type}``, never written into the SQL.

        Raises:
            StoreUnavailable: no answer, or ClickHouse refused.
        """
        with self._client() as client:
            result = client.query(
                sql, parameters=dict(parameters or {}), settings=dict(settings or {}), column_oriented=True
            )
            return Columns(result.column_names, result.result_columns)

    def command(
        self, sql: str, parameters: Mapping[str, Any] | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        """Runs a statement that has no answer.

        Raises:
            StoreUnavailable: no answer, or ClickHouse refused.
        """
        with self._client() as client:
            client.command(sql, parameters=dict(parameters or {}), settings=dict(settings or {}))

    def insert(self, table: str, data: Data, *, fmt: str, settings: Mapping[str, Any] | None = None) -> None:
        """Inserts bytes as they are, in one of ClickHouse's formats, and returns when they are stored.

        A failed insert may have stored a part of the rows: what is inserted must be harmless to repeat.

        Raises:
            Invalid: the bytes can't be read in that format.
            StoreUnavailable: the store's fault; the same bytes may pass later.
        """
        chosen = {"async_insert": 0, **(settings or {})}
        pieces = [data] if isinstance(data, bytes) else data
        with self._client() as client:
            if self.embedded:
                self._insert_file(client, table, pieces, fmt, chosen)
            else:
                client.raw_insert(table, insert_block=b"".join(pieces), fmt=fmt, settings=chosen)

    def insert_columns(self, table: str, names: Sequence[str], columns: Sequence[Sequence[Any]]) -> None:
        """Inserts Python values, column by column, and returns when they are stored.

        Raises:
            StoreUnavailable: the store's fault; the same rows may pass later.
        """
        if not columns or not columns[0]:
            return
        # As JSON: the driver's own way in imports pandas and Arrow, 0.7 s and 100 MB for the few rows that come here.
        rows = (orjson.dumps(dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True))
        self.insert(f"{table} ({', '.join(f'`{name}`' for name in names)})", b"\n".join(rows), fmt="JSONEachRow")

    def close(self, timeout_s: float = 30.0) -> None:
        """Waits for calls under way, then closes; after it another process may open an embedded store."""
        with self._state:
            if self._closed:
                return
            self._closed = True
            self._state.wait_for(lambda: self._lent == 0, timeout_s)
            while self._idle:
                self._idle.pop().close()
        if self._connect.hold is not None:
            self._connect.hold.release()

    def _insert_file(
        self, client: Client, table: str, pieces: Sequence[bytes], fmt: str, settings: Mapping[str, Any]
    ) -> None:
        """The embedded engine reads an insert from a file only: a pipe, which no crash leaves behind."""
        listed = ", ".join(f"{name} = {_literal(value)}" for name, value in settings.items())
        with _readable(pieces) as path:
            client.command(f"INSERT INTO {table} FROM INFILE {_literal(path)} SETTINGS {listed} FORMAT {fmt}")

    @contextmanager
    def _client(self) -> Iterator[Client]:
        """Lends a client for one call and translates what it raises."""
        client: Client | None = None
        self._lend()
        try:
            with self._state:
                client = self._idle.pop() if self._idle else None
            client = client or self._connected()
            yield client
        except FlightDeckError:
            raise
        except (ClickHouseError, HTTPError, OSError) as error:
            raise _translated(error) from error
        finally:
            self._take_back(client)

    def _connected(self) -> Client:
        try:
            return self._connect()
        except ClickHouseError as error:
            if getattr(error, "name", None) != "UNKNOWN_DATABASE":
                raise
        self._connect.create_database()
        return self._connect()

    def _lend(self) -> None:
        if os.getpid() != self._process:
            raise StoreUnavailable("The store was opened before this process was forked; open it again after the fork.")
        with self._state:
            if self._closed:
                raise StoreUnavailable("The store is closed.")
            self._lent += 1

    def _take_back(self, client: Client | None) -> None:
        with self._state:
            self._lent -= 1
            if client is not None and not self._closed and len(self._idle) < IDLE_CLIENTS:
                self._idle.append(client)
                client = None
            if client is not None:
                client.close()
            self._state.notify_all()


def _literal(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


@contextmanager
def _readable(pieces: Sequence[bytes]) -> Iterator[str]:
    """A path under which this process can read the pieces, once and from the first to the last; gone with the block.

    Through a pipe they are never in memory a second time. A file in memory cost a third of a large insert: its pages
    are new every time.

    Raises:
        StoreUnavailable: the system gives no pipe or thread; or the block ended well though not everything went into
            the pipe, so that it can't have read everything.
    """
    if sys.platform != "linux":
        with tempfile.NamedTemporaryFile(prefix="flightdeck-") as file:
            file.writelines(pieces)
            file.flush()
            yield file.name
        return
    try:
        reading, writing = os.pipe()
    except OSError as error:
        raise StoreUnavailable("The system lets this process open no more files.") from error
    with suppress(PermissionError):  # it may have been told to give less
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    written: list[bool] = []

    def write() -> None:
        with suppress(BrokenPipeError), os.fdopen(writing, "wb") as file:  # broken: the reader refuses the rest
            file.writelines(pieces)
            file.flush()
            written.append(True)

    writer = threading.Thread(target=write, name="insert", daemon=True)
    try:
        writer.start()
    except RuntimeError as error:
        os.close(reading)
        os.close(writing)
        raise StoreUnavailable("The system gives this process no more threads.") from error
    try:
        yield f"/proc/self/fd/{reading}"
    finally:
        os.close(reading)  # before the writer is waited for: who reads no more must not keep it waiting
        writer.join()
    if not written:
        raise StoreUnavailable("The engine has not read all of an insert.")


def _unreached(error: BaseException | None) -> MaxRetryError | None:
    """The error below an error that says that a connection could not be made; None when that was not the reason."""
    while error is not None and not isinstance(error, MaxRetryError):
        error = error.__cause__ or error.__context__
    return error


def _translated(error: Exception) -> FlightDeckError:
    """ClickHouse's error as one of ours, in one line without stack trace and version."""
    if (lost := _unreached(error)) is not None:
        why = str(lost.reason).rpartition("): ")[2] or str(lost)
        where = f"{lost.pool.host}:{lost.pool.port}"
        return StoreUnavailable(f"ClickHouse at {where} does not answer: {' '.join(why.split())[:500]}.")
    said = re.sub(r"\s*\(version [^)]*(\)[^)]*)?\)\s*$", "", " ".join(str(error).split()))[:500]
    name = str(getattr(error, "name", None) or "")
    if _REFUSED.fullmatch(name) and not _STORE.match(name):
        return Invalid(f"ClickHouse can't read the data: {said}")
    return StoreUnavailable(f"ClickHouse refused or does not answer: {said}")
