"""Storing native RunEvents: which are new, which repeat, which contradict what is stored."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from flightdeck.store import eventrows, runindex, seen
from flightdeck.store.client import Engine
from flightdeck.store.eventrows import EventRow
from flightdeck.store.precedence import Stored, by_run, run_end_version, run_start_version, winner

RunKey = tuple[int, str]
"""Workspace and run id."""


@dataclass(slots=True)
class EventCounts:
    """What became of the events of one request.

    A repetition of a stored event is a duplicate, so is a ``run_start`` whose run is already known; an event with the
    run id and type of a stored one but another content is a conflict, named by its run id, and not stored.
    """

    inserted: int = 0
    duplicates: int = 0
    conflicts: list[str] = field(default_factory=list)


class Fate(Enum):
    """What becomes of one event."""

    INSERTED = "inserted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Standing(NamedTuple):
    """The row of a run that counts so far."""

    source: str
    type: str
    content: bytes


def fate(standing: Standing | None, row: EventRow) -> Fate:
    """What becomes of an event where ``standing`` is what counts for its run (None: nothing is known of it)."""
    if standing is None:
        return Fate.INSERTED
    same_kind = standing.source == "native" and standing.type == row.type
    if same_kind:
        return Fate.DUPLICATE if standing.content == row.content else Fate.CONFLICT
    return Fate.INSERTED if row.type == "run_end" else Fate.DUPLICATE


def insert_events(engine: Engine, requests: Sequence[Sequence[EventRow]], *, now_us: int) -> list[EventCounts]:
    """Stores the events of several requests with one insert, and counts for each request what became of them.

    Repeating a call that failed is harmless.

    Args:
        engine: the store.
        requests: the events of each request; a request that repeats what an earlier one brought has duplicates.
        now_us: the server's clock, Unix µs.

    Raises:
        Invalid: the engine can't read some event; nothing is counted, a part may be stored.
        StoreUnavailable: the same; it may pass later.
    """
    with runindex.WRITING:
        stored = by_run(runindex.find(engine, (row.key for rows in requests for row in rows)))
        standing = {run: _standing(rows) for run, rows in stored.items()}
        new: dict[RunKey, EventRow] = {}
        answers: list[EventCounts] = []
        for rows in requests:
            counts = EventCounts()
            for row in rows:
                _count(row, standing, new, counts)
            answers.append(counts)
        end, start = run_end_version(now_us), run_start_version(now_us)
        versions = {run: end if row.type == "run_end" else start for run, row in new.items()}
        if new:
            _write(engine, [(row, versions[run]) for run, row in new.items()])
        asked = stored and {(row.place.workspace, row.place.run_id) for rows in requests for row in rows}
        beaten = [pair for run in asked for pair in _beaten(stored.get(run, ()), new.get(run), versions.get(run))]
        runindex.take_back(engine, beaten)
        if new:
            runindex.take_back_beaten(engine, (row.key for row in new.values()))
    return answers


def _write(engine: Engine, rows: Sequence[tuple[EventRow, int]]) -> None:
    """Writes rows of runs, each with its version; what a failure leaves out, a repetition writes.

    The index comes last: what is in there counts as stored.
    """
    settings = {  # seconds with a fraction, of any number of days; all runs are different
        "date_time_input_format": "basic",
        "max_partitions_per_insert_block": 0,
        "optimize_on_insert": 0,
    }
    engine.insert("runs", eventrows.lines(rows), fmt="JSONCompactEachRowWithNames", settings=settings)
    seen.note(engine, ((row.place, row.timestamp_us) for row, _ in rows))
    entries = (runindex.entry(row.key, row.place, version, row.type, row.content) for row, version in rows)
    runindex.insert(engine, entries)


def known(engine: Engine, run_ids: Iterable[str], workspace: int = 0) -> set[str]:
    """Those of some run ids that have a run, finished or in progress."""
    wanted = set(run_ids)
    rows = runindex.find(engine, map(runindex.key, wanted))
    return {place.run_id for place, row in rows.items() if row.live and place.workspace == workspace} & wanted


def _count(
    row: EventRow, standing: dict[RunKey, Standing | None], new: dict[RunKey, EventRow], counts: EventCounts
) -> None:
    run = (row.place.workspace, row.place.run_id)
    match fate(standing.get(run), row):
        case Fate.INSERTED:
            standing[run] = Standing("native", row.type, row.content)
            new[run] = row
            counts.inserted += 1
        case Fate.DUPLICATE:
            counts.duplicates += 1
        case Fate.CONFLICT:
            counts.conflicts.append(row.place.run_id)


def _standing(rows: Iterable[Stored]) -> Standing | None:
    best = winner(rows)
    return Standing(best.source, best.type, best.content) if best else None


def _beaten(stored: Collection[Stored], new: EventRow | None, version: int | None) -> Iterable[tuple[Stored, int]]:
    """Rows of one run that lie elsewhere than the one that counts, each with the version that beats it.

    Usually there are none. A crash between an insert and its taking back leaves some: a repetition finds them here.
    """
    best = winner(stored)
    if new is not None and version is not None:
        place, over = new.place, version
    elif best is not None:
        place, over = best.place, best.version
    else:
        return
    for row in stored:
        if row.live and row.place != place:
            yield row, over
