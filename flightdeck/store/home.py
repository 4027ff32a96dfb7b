"""Where a store lives: in this process or behind an address, and who has an embedded one open.

An embedded path belongs to one process, and a process to one path: these limits are the engine's. It tells a second
process only that it could not start, so the holder writes who it is into a small file beside the store and keeps that
file locked. The kernel drops the lock when the process ends, however it ends: a file left by ``kill -9`` blocks nobody.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import clickhouse_connect

from flightdeck.errors import Misconfigured, StoreUnavailable
from flightdeck.settings import StoreSettings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

MIB = 1024 * 1024

_guard = threading.Lock()
_held: dict[Path, Hold] = {}


# No session: consecutive calls may go to any server behind an address. Parameters ride in the body, not in the URL.
_SERVED: Mapping[str, Any] = {
    "autogenerate_session_id": False,
    "form_encode_query_params": True,
    "connect_timeout": 5,
    "send_receive_timeout": 120,
}


@dataclass(frozen=True, slots=True)
class Connect:
    """How to open one more client of a store. ``hold`` is this process's claim on an embedded path, else None."""

    dsn: str
    options: Mapping[str, Any]
    hold: Hold | None

    @classmethod
    def of(cls, settings: StoreSettings) -> Connect:
        """Reads the DSN and, for an embedded store, claims its path.

        Raises:
            Misconfigured: the DSN is none.
            StoreUnavailable: another process has the path open.
        """
        dsn = settings.dsn.get_secret_value() if settings.dsn is not None else ""
        parts = urlsplit(dsn)
        if parts.scheme == "chdb" and parts.path.startswith("/") and not parts.netloc:
            return cls._embedded(Path(unquote(parts.path)), settings.max_memory_mib)
        if parts.scheme in {"clickhouse", "http", "https"} and parts.hostname:
            secure = parts.scheme == "https" or parse_qs(parts.query).get("secure", ["0"])[0] in {"1", "true"}
            return cls(dsn.partition("?")[0], {"secure": secure, **_SERVED}, None)
        raise Misconfigured(
            f"The store's DSN has no usable address (scheme {parts.scheme or 'missing'!r}).",
            hint="Write chdb:///absolute/path or clickhouse://user:password@host:8123/database.",
        )

    @classmethod
    def _embedded(cls, path: Path, memory_mib: int) -> Connect:
        try:
            # Here and not at the top: a server without the embedded engine has no chdb. Its import changes the working
            # directory for a moment, so it has to happen before other threads look at relative paths.
            import chdb  # noqa: F401, PLC0415
        except ImportError as error:
            raise Misconfigured(
                "An embedded store needs the package chdb.",
                hint="Install flightdeck-ai[server], or name a served ClickHouse in store.dsn.",
            ) from error
        hold = Hold.take(path)
        # Bounds can only be given here; the engine's own are 90 % of the machine's memory and 5 GB for marks.
        bounds = {
            "max_server_memory_usage": memory_mib * MIB,
            "mark_cache_size": 32 * MIB,
            "index_mark_cache_size": 8 * MIB,
        }
        return cls(f"chdb://{path.resolve()}", {"chdb_options": bounds}, hold)

    def __call__(self) -> Client:
        """Opens one more client; raises what ``clickhouse_connect`` raises."""
        return clickhouse_connect.get_client(dsn=self.dsn, **self.options)

    def create_database(self) -> None:
        """Makes the served database that the DSN names; raises what ``clickhouse_connect`` raises."""
        parts = urlsplit(self.dsn)
        client = clickhouse_connect.get_client(dsn=parts._replace(path="").geturl(), **self.options)
        try:
            client.command("CREATE DATABASE IF NOT EXISTS {name:Identifier}", {"name": unquote(parts.path[1:])})
        finally:
            client.close()


class Hold:
    """This process's claim on one embedded path; ``release`` gives up one ``take``."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._users = 0

    @classmethod
    def take(cls, path: Path) -> Hold:
        """Claims a path for this process; may be repeated for the path it already holds.

        Raises:
            StoreUnavailable: another process has this path open (named, with the time it opened it), or this process
                has another path open.
        """
        path = path.resolve()
        with _guard:
            hold = _held.get(path)
            if hold is None:
                if _held:
                    other = next(iter(_held))
                    raise StoreUnavailable(
                        f"This process has the store {other} open; an embedded ClickHouse serves one path per process.",
                        hint="Close the first store before opening another.",
                    )
                hold = _held[path] = cls(path, _lock(path))
            hold._users += 1
            return hold

    def release(self) -> None:
        """Gives up one claim; after the last one another process may open the path."""
        with _guard:
            self._users -= 1
            if self._users == 0:
                del _held[self.path]
                os.ftruncate(self._descriptor, 0)
                os.close(self._descriptor)


def holder_file(path: Path) -> Path:
    """Where the holder of an embedded path names itself."""
    return path.with_name(path.name + ".holder.json")


def _lock(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(holder_file(path), os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreUnavailable(f"The store {path} can't be opened: {error}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreUnavailable(
            f"The store {path} is open in {_holder(path)}.",
            hint="Talk to that server over HTTP (FLIGHTDECK_URL), or stop it.",
        ) from error
    since = datetime.now(UTC).isoformat(timespec="seconds")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "since": since}).encode(), 0)
    return descriptor


def _holder(path: Path) -> str:
    try:
        said = json.loads(holder_file(path).read_text())
        return f"process {int(said['pid'])} since {said['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
