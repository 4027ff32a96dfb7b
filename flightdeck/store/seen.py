"""Which releases have runs: rows of ``releases_seen``, written once for each, not once for each run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from weakref import WeakKeyDictionary

from flightdeck.store.client import Engine
from flightdeck.store.precedence import Place

MOST_REMEMBERED = 10_000

Seen = tuple[int, str, str, str]
"""Workspace, release, agent and environment."""

_noted: WeakKeyDictionary[Engine, dict[Seen, int]] = WeakKeyDictionary()
"""What this process has written, with the earliest moment; what it forgets is written again."""


def note(engine: Engine, runs: Iterable[tuple[Place, int]]) -> None:
    """Has the store know the releases of runs, each run with its moment (Unix µs). One caller at a time.

    Raises:
        StoreUnavailable: it does not; to be repeated.
    """
    earliest: dict[Seen, int] = {}
    for place, moment_us in runs:
        release = (place.workspace, place.release_id, place.agent_id, place.environment)
        earliest[release] = min(moment_us, earliest.get(release, moment_us))
    note_earliest(engine, earliest)


def note_earliest(engine: Engine, earliest: Mapping[Seen, int]) -> None:
    """The same for releases, each with the earliest moment of its runs."""
    noted = _noted.setdefault(engine, {})
    new = {release: moment for release, moment in earliest.items() if moment < noted.get(release, moment + 1)}
    if not new:
        return
    columns = [*map(list, zip(*new, strict=True)), list(new.values())]
    engine.insert_columns("releases_seen", _NAMES, columns)
    if len(noted) + len(new) > MOST_REMEMBERED:
        noted.clear()
    noted.update(new)


_NAMES = ("workspace", "release_id", "agent_id", "environment", "first_us")
