"""Registered releases in memory: which agent a release is of, and which release an agent's version is."""

from __future__ import annotations

from bisect import insort
from operator import itemgetter


class KnownReleases:
    """What assembly asks about releases, over those that were added; lookups need no lock beside one adding thread.

    >>> known = KnownReleases()
    >>> known.add("rel_000000000001", agent_id="support", version="1.4.0", registered_us=100)
    >>> known.add("rel_000000000002", agent_id="support", version="1.4.0", registered_us=200)
    >>> known.find("support", "1.4.0", 150), known.find("support", "1.4.0", 50), known.find("support", "2", 50)
    ('rel_000000000001', 'rel_000000000001', None)
    """

    def __init__(self) -> None:
        self._agents: dict[str, str] = {}
        self._versions: dict[tuple[str, str], list[tuple[int, int, str]]] = {}

    def __len__(self) -> int:
        return len(self._agents)

    def add(self, release_id: str, *, agent_id: str, version: str, registered_us: int) -> None:
        """Adds a release (µs since the epoch); of equal times the one added later counts as the later one."""
        if release_id in self._agents:
            return
        # A copy that replaces the list: a lookup in another thread sees the old one or the new one, never half.
        same = list(self._versions.get((agent_id, version), ()))
        insort(same, (registered_us, len(self._agents), release_id))
        self._versions[agent_id, version] = same
        self._agents[release_id] = agent_id

    def agent_of(self, release_id: str) -> str | None:
        """The agent of a registered release, or None."""
        return self._agents.get(release_id)

    def find(self, agent_id: str, version: str, started_us: int) -> str | None:
        """The release of an agent's version: the last one registered when a run started, else the first one after."""
        same = self._versions.get((agent_id, version))
        if not same:
            return None
        before = [entry for entry in same if entry[0] <= started_us]
        return max(before, key=itemgetter(0, 1))[2] if before else same[0][2]
