"""How far the spans of each writer have become runs: one row per process that lands spans, kept in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from enum import StrEnum

from flightdeck.store.client import Engine


class Life(StrEnum):
    """Whether a writer lands spans."""

    ALIVE = "alive"
    LEFT = "left"
    """It has ended; some of its spans are to be assembled by another."""
    SETTLED = "settled"
    """It has ended, and so has the assembly of its spans."""


@dataclass(frozen=True, slots=True)
class Writer:
    """One writer's state.

    Attributes:
        writer: its number.
        keeper: the number of the writer whose process assembles what this one landed: itself, or who took it over.
        host: where the keeper runs.
        pid: the keeper's process there.
        settled_us: everything that the writer landed until this landing time needs no assembly any more.
        seen_us: when the keeper last said so, Unix µs.
        life: whether more spans of it may land, as the keeper knows.
    """

    writer: int
    keeper: int
    host: str
    pid: int
    settled_us: int
    seen_us: int
    life: Life = Life.ALIVE


_NAMES = [field.name for field in fields(Writer)]
_CURRENT = """
SELECT writer, keeper, host, pid, settled_us, seen_us, life
FROM (SELECT * FROM writers ORDER BY writer, seen_us DESC LIMIT 1 BY writer)
WHERE life != 'settled'
"""


def writers(engine: Engine) -> list[Writer]:
    """The writers that are not settled, as their keepers last said."""
    return [
        Writer(writer, keeper, host, pid, settled_us, seen_us, Life(life))
        for writer, keeper, host, pid, settled_us, seen_us, life in engine.query(_CURRENT).rows()
    ]


def save(engine: Engine, states: Sequence[Writer]) -> None:
    """Stores how far writers are. A later ``seen_us`` replaces an earlier one."""
    engine.insert_columns("writers", _NAMES, list(zip(*map(astuple, states), strict=True)))
