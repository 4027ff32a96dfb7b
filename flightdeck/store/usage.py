"""What the runs of releases are known to use, so that a diff need not look before it prices them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

from flightdeck.pricing.tariff import UsageKey
from flightdeck.store.cohort import CohortQuery

MOST_COHORTS = 500


class UsageMemory:
    """Remembers usage keys by release and environment; safe to use from any number of threads.

    A release's runs use the same few models tomorrow. What is remembered may be too much, which costs nothing, or too
    little: then runs come out unpriced, and who asks must look anew. Where runs have no price anyway nothing is kept.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str, str], frozenset[UsageKey]] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, cohorts: Sequence[CohortQuery]) -> list[Sequence[UsageKey]] | None:
        """What is known of each cohort's only release, sorted; None unless something is of all."""
        with self._lock:
            found = [self._kept.get(_place(cohort)) for cohort in cohorts]
            for cohort in cohorts:
                if _place(cohort) in self._kept:
                    self._kept.move_to_end(_place(cohort))
        known = [sorted(keys) for keys in found if keys is not None]
        return [*known] if len(known) == len(found) else None

    def keep(self, cohort: CohortQuery, used: Iterable[UsageKey]) -> None:
        """Adds what a cohort's runs use, all of which has a price."""
        with self._lock:
            place = _place(cohort)
            self._kept[place] = self._kept.get(place, frozenset()) | frozenset(used)
            self._kept.move_to_end(place)
            while len(self._kept) > MOST_COHORTS:
                self._kept.popitem(last=False)

    def forget(self, cohort: CohortQuery) -> None:
        """Looks anew the next time."""
        with self._lock:
            self._kept.pop(_place(cohort), None)


def _place(cohort: CohortQuery) -> tuple[int, str, str]:
    return cohort.workspace, cohort.release_ids[0], cohort.environment
