"""Export requests as the receiver hands them to the store: with our suffix, behind their length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from flightdeck.ingest.check import suffix
from flightdeck.settings import StoreSettings
from flightdeck.store import schema
from flightdeck.store.client import Engine

WRITER = 77


def batch(bodies: Iterable[bytes], *, landed_us: int, writer: int = WRITER, workspace: int = 0) -> bytes:
    """A batch of requests that all land at once."""
    return b"".join(request(body, landed_us, writer, workspace) for body in bodies)


def request(body: bytes, landed_us: int, writer: int = WRITER, workspace: int = 0) -> bytes:
    """One request of a batch."""
    body += suffix(workspace, landed_us, writer)
    return length(len(body)) + body


def length(value: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@contextmanager
def embedded(folder: Path) -> Iterator[Engine]:
    """An embedded store with its schema, for tests that need only one home."""
    engine = Engine.open(StoreSettings(dsn=SecretStr(f"chdb://{folder}/.flightdeck/clickhouse")))
    try:
        schema.migrate(engine)
        yield engine
    finally:
        engine.close()
