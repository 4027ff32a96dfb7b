"""Both sides of a diff as a request names them: releases, windows, prices, and the policy that judges them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flightdeck.errors import Invalid, NotFound
from flightdeck.ledger import Ledger
from flightdeck.models import DiffRequest, DiffWindow, Policy, ReleaseRecord, VerdictWindow, VerdictWindows, Window
from flightdeck.pricing.tariff import UsageKey
from flightdeck.releases import costs, references
from flightdeck.releases.catalog import Catalog
from flightdeck.releases.costs import Prices
from flightdeck.releases.references import SIDES, Reference
from flightdeck.store.cohort import CohortQuery
from flightdeck.validation import BY_CATALOG, table_named


@dataclass(frozen=True, slots=True)
class Sides:
    """Baseline and candidate, in this order.

    Attributes:
        records: the releases.
        windows: of each.
        references: the prices of each.
        by_catalog: whether the catalog's prices take their place.
        environment: that was asked for, or the workspace's default.
        policy: what both are judged by.
        cohorts: the runs of each.
    """

    records: Sequence[ReleaseRecord]
    windows: Sequence[Window]
    references: Sequence[Reference]
    by_catalog: bool
    environment: str
    policy: Policy
    cohorts: Sequence[CohortQuery]

    @classmethod
    def of(
        cls,
        request: DiffRequest,
        ledger: Ledger,
        default_environment: str,
        now: datetime,
        policy: Policy | None = None,
    ) -> Sides:
        """Looks up what a request names.

        Args:
            request: the two releases, the window, and what to limit the runs to.
            ledger: where releases, prices and the policy are.
            default_environment: where the request names none.
            now: the end of the window.
            policy: the request's, else the one in force if not given.

        Raises:
            Invalid: an unknown release, two agents, a window that is none, or a pricing table that nobody imported.
            LedgerUnavailable: it does not answer.
        """
        records = _releases(request, ledger)
        windows = [_window(own, request.window, now) for own in (request.baseline_window, request.candidate_window)]
        by_catalog = request.pricing == BY_CATALOG
        table_of = None if request.pricing is None or by_catalog else table_named(request.pricing)
        prices = [
            references.reference(side, record, ledger, now, table_of)
            for side, record in zip(SIDES, records, strict=True)
        ]
        environment = request.environment or default_environment
        rules = policy or request.policy or ledger.policies.effective(records[1].agent_id, environment).policy
        cohorts = [
            CohortQuery(
                release_ids=(record.release_id,),
                environment=environment,
                since=window.since,
                until=window.until,
                tenant_id=request.tenant_id or None,
                task_id=request.task_id or None,
                lag_s=rules.statistics.lag_s if rules.statistics is not None else 0,
            )
            for record, window in zip(records, windows, strict=True)
        ]
        return cls(records, windows, prices, by_catalog, environment, rules, cohorts)

    @property
    def agent_id(self) -> str:
        """Whose releases these are."""
        return self.records[1].agent_id

    def price(self, ledger: Ledger, catalog: Catalog) -> Callable[[Sequence[Sequence[UsageKey]]], Prices]:
        """What makes tariffs for what the runs of each side used."""
        return lambda used: costs.prices(self.references, used, ledger, catalog, by_catalog=self.by_catalog)

    def told(self) -> VerdictWindows:
        """The windows in an answer."""
        before, after = (
            VerdictWindow(since=each.since.isoformat(), until=each.until.isoformat()) for each in self.windows
        )
        return VerdictWindows(baseline=before, candidate=after)


def _releases(request: DiffRequest, ledger: Ledger) -> tuple[ReleaseRecord, ReleaseRecord]:
    """Baseline and candidate, two releases of one agent."""
    baseline = _release("baseline", request.baseline_release_id, ledger)
    candidate = _release("candidate", request.candidate_release_id, ledger)
    if baseline.agent_id != candidate.agent_id:
        raise Invalid(
            "Cross-agent diff is not allowed. "
            f"Baseline agent_id={baseline.agent_id}, candidate agent_id={candidate.agent_id}."
        )
    return baseline, candidate


def _release(side: str, release_id: str, ledger: Ledger) -> ReleaseRecord:
    try:
        return ledger.releases.get(release_id)
    except NotFound as error:
        raise Invalid(f"Unknown {side} release: {release_id}", field=f"{side}_release_id") from error


def _window(own: DiffWindow | None, length: str | None, now: datetime) -> Window:
    """A side's window: its own, else the one of this length that ends now."""
    if own is not None:
        return Window(own.since, own.until)
    try:
        return Window.ending(now.astimezone(UTC), length or "")
    except ValueError as error:
        raise Invalid(str(error), field="window") from error
