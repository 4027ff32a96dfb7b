"""Which row of a run counts, when several sources and several moments have written one.

A native ``run_end`` beats an assembly of spans, which beats a native ``run_start``. Among native events of one type the
first wins; among assemblies the one made of more distinct spans, then the later. All of it is in the row's ``version``,
so that ClickHouse decides by itself where two rows have the same place; rows in other places are taken back by name.

Layout of a version (64 bits): native run_end | distinct spans (20 bits) | milliseconds (43 bits, counted down for
native events, so that the first has the largest).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_TIME_BITS = 43
_MOST_MS = (1 << _TIME_BITS) - 1
_MOST_SPANS = (1 << 20) - 1
_NATIVE_END = 1 << 63


def run_end_version(now_us: int) -> int:
    """The version of a native ``run_end`` that arrived at ``now_us`` (Unix µs): above assemblies, the first on top."""
    return _NATIVE_END | (_MOST_MS - _ms(now_us))


def run_start_version(now_us: int) -> int:
    """The version of a native ``run_start`` that arrived at ``now_us``: below any assembly, the first highest."""
    return _MOST_MS - _ms(now_us)


def assembly_version(distinct_spans: int, now_us: int) -> int:
    """The version of an assembly of so many distinct spans at ``now_us``: more spans win, then the later time.

    >>> assembly_version(3, 0) > assembly_version(2, 1_000_000)
    True
    >>> run_end_version(0) > assembly_version(50_000, 0) > run_start_version(0)
    True
    """
    return (min(max(distinct_spans, 1), _MOST_SPANS) << _TIME_BITS) | _ms(now_us)


def same_evidence(one: int, other: int) -> bool:
    """Whether two versions are of assemblies of equally many spans, so that the time decides between them.

    >>> same_evidence(assembly_version(3, 5_000), assembly_version(3, 9_000))
    True
    """
    return one >> _TIME_BITS == other >> _TIME_BITS


def _ms(now_us: int) -> int:
    return min(max(now_us // 1000, 0), _MOST_MS)


class Place(NamedTuple):
    """Where the row of a run lies: the sorting key of ``runs``. ``hour`` is the run's full hour in Unix seconds."""

    workspace: int
    agent_id: str
    release_id: str
    environment: str
    hour: int
    run_id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """The newest row of the index at one place.

    ``trace_id`` is that of a run made of spans (a native event's may be missing), ``content`` a native event's hash.
    """

    place: Place
    trace_id: str
    version: int
    live: bool
    source: str
    type: str
    content: bytes


def newest(rows: Iterable[Stored]) -> dict[Place, Stored]:
    """The newest row at each place; of two with one version the one that takes back."""
    found: dict[Place, Stored] = {}
    for row in rows:
        seen = found.get(row.place)
        if seen is None or (row.version, not row.live) > (seen.version, not seen.live):
            found[row.place] = row
    return found


def winner(rows: Iterable[Stored]) -> Stored | None:
    """Of the rows of one run that are live, the one that counts; None if there is none.

    Of two with one version, written by two receivers, it is the one with the larger place: both must say the same.
    """
    return max((row for row in rows if row.live), key=lambda row: (row.version, row.place), default=None)


def by_run(rows: Mapping[Place, Stored]) -> dict[tuple[int, str], list[Stored]]:
    """The same rows, grouped by workspace and run id."""
    groups: dict[tuple[int, str], list[Stored]] = {}
    for place, row in rows.items():
        groups.setdefault((place.workspace, place.run_id), []).append(row)
    return groups
