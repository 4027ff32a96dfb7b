"""Whose run it is: release, agent, tenant, session.

Keys come first: a better key on a farther span beats a worse key on a nearer one. Which key a text came from is its
first character (``rows.rank_mark``), so comparing first characters compares keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol

from flightdeck.otel.parts import Part
from flightdeck.otel.spans import Span, timestamp_us


class Releases(Protocol):
    """What assembly asks about registered releases."""

    def agent_of(self, release_id: str) -> str | None:
        """The agent of a registered release; None if it is not registered."""

    def find(self, agent_id: str, version: str, started_us: int) -> str | None:
        """The registered release of an agent's version; None if there is none.

        Of several the last one registered at or before a run's start (µs since 1970), else the first after it.
        """


class Affiliation(NamedTuple):
    """Release and agent of a run; an empty release is none. A ``mismatch``: the agent contradicts the release."""

    release_id: str
    agent_id: str
    mismatch: bool


def affiliation(span: Span, releases: Releases) -> Affiliation:
    """Release and agent of the run that has this run span."""
    named_agent = span.agent_id or span.service_name
    release_id = span.release_id or span.resource_release_id or span.langfuse_release_id
    if not release_id:
        release_id = _by_version(span, named_agent, releases)
        return Affiliation(release_id, named_agent, mismatch=False)
    registered_agent = releases.agent_of(release_id)
    if registered_agent is None or registered_agent == span.agent_id:
        return Affiliation(release_id, named_agent, mismatch=False)
    if span.agent_id:
        return Affiliation(release_id, span.agent_id, mismatch=True)
    return Affiliation(release_id, registered_agent, mismatch=False)


def _by_version(span: Span, agent_id: str, releases: Releases) -> str:
    """The registered release of the service's version, else of the version the run span gives; empty if none."""
    if not agent_id:
        return ""
    moment, bad_time = timestamp_us(span)
    started_us = moment if bad_time else span.start_ns // 1000
    for version in (span.service_version, span.agent_version):
        if version:
            found = releases.find(agent_id, version, started_us)
            if found:
                return found
    return ""


class LookedUp:
    """A ranked field, by the name it has in a span."""

    def __init__(self, field: str) -> None:
        self.of_span: Callable[[Span], str] = attrgetter(field)
        self.of_resource: Callable[[Span], str] = attrgetter(f"resource_{field}")


TENANT, SESSION = LookedUp("tenant"), LookedUp("session")


class LookUp:
    """Looks one ranked field up for the runs of a part.

    Within each key: on the run span, its ancestors in the part (nearest first), its resource, then the run's other
    spans in order.
    """

    def __init__(self, part: Part, field: LookedUp) -> None:
        self._of_resource = field.of_resource
        self._spans = part.spans
        self._values: list[str] = list(map(field.of_span, part.spans))
        different = set(self._values)
        self._everywhere = self._values[0] if len(different) == 1 else ""
        self._upwards = self._best_upwards(part) if len(different) > 1 else None

    def _best_upwards(self, part: Part) -> list[str]:
        """For each span the best text on it and its ancestors."""
        best = self._values.copy()
        for place in part.order:
            above = part.parent[place]
            if above >= 0 and best[above]:
                best[place] = _better(best[place], best[above])
        return best

    def value(self, run_span: int, members: Sequence[int]) -> str:
        """The run's value without its mark; empty if there is none."""
        of_resource = self._of_resource(self._spans[run_span])
        if self._upwards is None:
            return _better(self._everywhere, of_resource)[1:]
        best = _better(self._upwards[run_span], of_resource)
        values = self._values
        for place in members:
            if values[place]:
                best = _better(best, values[place])
        return best[1:]


def _better(first: str, second: str) -> str:
    """The text with the better key; of equal keys the first."""
    return second if second and (not first or second[0] < first[0]) else first
