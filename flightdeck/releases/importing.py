"""Moving over from 1.3: its releases, prices, policy, history, requests, webhooks and events, with their ids.

Every step may be repeated: what is here already is counted and left as it is, so an import that was interrupted goes on
where it was. The ledger comes first, because events are checked against the releases. Events take the way of every
native event, in batches, and are counted as it counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from flightdeck.errors import Conflict, NotFound, Permanent
from flightdeck.ledger import Ledger
from flightdeck.ledger.former import BUNDLED, FormerWorkspace, pricing_table
from flightdeck.models import ReleaseRecord
from flightdeck.models.policy import PolicyScope
from flightdeck.store.events import EventCounts

BATCH_EVENTS = 5_000
BATCH_BYTES = 16 * 1024 * 1024
"""What is ingested at a time; one event may be larger."""

MOST_NAMED = 20
"""Left out events whose reason is reported."""

_EVERYTHING = 1_000_000

Batch = list[tuple[str, bytes]]
"""Run ids and the JSON of their events."""


@dataclass(frozen=True, slots=True)
class EventsIn:
    """The way of events into the store.

    Attributes:
        check: raises a Permanent error for a request's body that can't be taken.
        ingest: stores a body's events and counts what became of them.
        known: those of some run ids that have a run.
    """

    check: Callable[[bytes], object]
    ingest: Callable[[bytes], EventCounts]
    known: Callable[[Iterable[str]], set[str]]


@dataclass(slots=True)
class Count:
    """What became of the things of one kind: ``found`` in the old workspace, ``new`` here, ``left`` out."""

    found: int = 0
    new: int = 0
    left: int = 0

    @property
    def present(self) -> int:
        """How many were here already."""
        return self.found - self.new - self.left


@dataclass(slots=True)
class Report:
    """What was imported.

    ``left_out`` counts events that can't be taken here (``reasons`` says of some why), ``conflicts`` are run ids that
    are known here with another content, ``notes`` what the user should know.
    """

    counts: dict[str, Count] = field(default_factory=dict)
    left_out: int = 0
    reasons: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, run_id: str, reason: str) -> None:
        """Counts an event that can't be taken."""
        self.left_out += 1
        if len(self.reasons) < MOST_NAMED:
            self.reasons.append(f"{run_id}: {reason}")


def survey(source: FormerWorkspace, check: Callable[[bytes], object], progress: Callable[[int], None]) -> Report:
    """What an import would find, with every event checked; nothing is written.

    Raises:
        Invalid: something of the old workspace can't be read.
    """
    report = Report(notes=_notes(source))
    found: dict[str, Sequence[object]] = {
        "releases": source.releases(),
        "pricing imports": source.pricing(),
        "policies": source.policies(),
        "decisions": source.decisions(),
        "live releases": list(source.live()),
        "requests": source.requests(),
        "webhooks": source.webhooks(),
    }
    report.counts = {name: Count(found=len(things)) for name, things in found.items()}
    events = report.counts["events"] = Count()
    for batch in _batches(source.events()):
        events.found += len(batch)
        _acceptable(batch, check, report)
        progress(len(batch))
    return report


def bring_over(source: FormerWorkspace, ledger: Ledger, events: EventsIn, progress: Callable[[int], None]) -> Report:
    """Imports a workspace and verifies that all of it is here.

    Args:
        source: the old workspace.
        ledger: where releases, prices, policy, history, requests and webhooks go.
        events: where events go.
        progress: told of every batch of events how many it had.

    Raises:
        Conflict: a release of the same id but another content is here, or something is missing at the end.
        Invalid, TooLarge: something other than an event can't be taken.
        StoreUnavailable, LedgerUnavailable: not finished; repeat the import.
    """
    report = Report(notes=_notes(source))
    counts = report.counts
    releases = source.releases()
    counts["releases"] = Count(len(releases), sum(_release(ledger, release) for release in releases))
    counts["pricing imports"] = _pricing(source, ledger)
    counts["policies"] = _policies(source, ledger, report)
    decisions, live = source.decisions(), source.live()
    own = {(pointer.agent_id, pointer.environment) for pointer in ledger.decisions.pointers()}
    counts["decisions"] = Count(len(decisions), ledger.decisions.adopt(decisions, live))
    counts["live releases"] = Count(len(live), len(set(live) - own))
    here = {request.request_id for request in ledger.requests.list(limit=_EVERYTHING)}
    requests = source.requests()
    counts["requests"] = Count(len(requests))
    for request in requests:
        if request.request_id not in here:
            ledger.requests.add(request)
            counts["requests"].new += 1
    counts["webhooks"] = _webhooks(source, ledger)
    counts["events"] = Count()
    for batch in _batches(source.events()):
        counts["events"].found += len(batch)
        counts["events"].new += _ingest(batch, events, report)
        progress(len(batch))
    counts["events"].left = report.left_out + len(report.conflicts)
    _verify(source, ledger, releases, events, report)
    return report


def _release(ledger: Ledger, release: ReleaseRecord) -> bool:
    try:
        present = ledger.releases.get(release.release_id)
    except NotFound:
        ledger.releases.add(release)
        return True
    if present.model_dump() != release.model_dump():
        raise Conflict(f"Release {release.release_id} is registered here already, with another content.")
    return False


def _pricing(source: FormerWorkspace, ledger: Ledger) -> Count:
    here = {each.import_id for each in ledger.pricing.imports(limit=_EVERYTHING)}
    imports = source.pricing()
    count = Count(len(imports))
    for each in imports:
        if each.import_id not in here:
            ledger.pricing.import_table(
                pricing_table(each),
                import_id=each.import_id,
                now=each.created_at,
                replace=True,
                reason=each.reason if each.action == "insert" else each.reason or "not given to 1.3",
                actor=each.actor.strip() or "unknown",
            )
            count.new += 1
    return count


def _policies(source: FormerWorkspace, ledger: Ledger, report: Report) -> Count:
    theirs = [(policy.policy_id, at) for policy, at in source.policies()]
    here = [(one.policy.policy_id, one.set_at) for one in ledger.policies.history() if one.scope == PolicyScope()]
    count = Count(len(theirs))
    if set(here) - set(theirs):
        report.notes.append("This workspace has a policy of its own; it stays the active one.")
        count.left = len(set(theirs) - set(here))
        return count
    for policy, at in source.policies():
        if (policy.policy_id, at) not in here:
            ledger.policies.set(policy, now=at)
            count.new += 1
    return count


def _webhooks(source: FormerWorkspace, ledger: Ledger) -> Count:
    here = {webhook.webhook_id for webhook in ledger.webhooks.list()}
    webhooks = source.webhooks()
    count = Count(len(webhooks))
    for webhook in webhooks:
        if webhook.webhook_id not in here:
            ledger.webhooks.add(webhook)
            count.new += 1
    return count


def _ingest(batch: Batch, events: EventsIn, report: Report) -> int:
    """Stores a batch; when it is refused, its good events without the bad ones. How many were new."""
    try:
        counts = events.ingest(_body(batch))
    except Permanent:
        good = _good(batch, events.check, report)
        if not good:
            return 0
        counts = events.ingest(_body(good))
    report.conflicts += counts.conflicts
    return counts.inserted


def _acceptable(batch: Batch, check: Callable[[bytes], object], report: Report) -> None:
    try:
        check(_body(batch))
    except Permanent:
        _good(batch, check, report)


def _good(batch: Batch, check: Callable[[bytes], object], report: Report) -> Batch:
    good = []
    for run_id, event in batch:
        try:
            check(_body([(run_id, event)]))
        except Permanent as error:
            report.leave_out(run_id, str(error))
        else:
            good.append((run_id, event))
    return good


def _body(batch: Batch) -> bytes:
    return b'{"events":[%b]}' % b",".join(event for _, event in batch)


def _batches(events: Iterable[tuple[str, bytes]]) -> Iterator[Batch]:
    batch: Batch = []
    size = 0
    for run_id, event in events:
        if batch and (len(batch) == BATCH_EVENTS or size + len(event) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((run_id, event))
        size += len(event)
    if batch:
        yield batch


def _notes(source: FormerWorkspace) -> list[str]:
    bundled = sorted({table.provider for table in source.tables() if table.pricing_version.startswith(BUNDLED)})
    if not bundled:
        return []
    note = (
        f"The price tables that 1.3 brought along ({', '.join(bundled)}) are 1,000 times too high and come over as "
        "they are. Import right ones for releases that refer to them: `flightdeck pricing import`."
    )
    return [note]


def _verify(
    source: FormerWorkspace,
    ledger: Ledger,
    releases: Sequence[ReleaseRecord],
    events: EventsIn,
    report: Report,
) -> None:
    """Looks for everything where it should be now.

    Raises:
        Conflict: something is missing.
    """
    for release in releases:
        if ledger.releases.get(release.release_id).checksum != release.checksum:
            raise Conflict(f"Release {release.release_id} has another checksum here.")
    decided = {draft.action_id for draft in source.decisions()}
    last, _ = ledger.decisions.verify()
    here = {decision.action_id for decision in ledger.decisions.list(limit=_EVERYTHING)}
    missing = len(decided - here)
    if missing or len(here) != last:
        raise Conflict(f"{missing} of {len(decided)} decisions did not arrive; repeat the import.")
    absent = 0
    for batch in _batches(source.events()):
        run_ids = {run_id for run_id, _ in batch}
        absent += len(run_ids - events.known(run_ids))
    if absent > report.left_out:
        raise Conflict(f"{absent - report.left_out} events did not arrive; repeat the import.")
