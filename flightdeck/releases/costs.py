"""What the runs of a diff cost: each release under its own prices, and both under the catalog's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flightdeck.judge.cells import Cell
from flightdeck.ledger import Ledger
from flightdeck.models import DiffCatalog
from flightdeck.pricing import defaults
from flightdeck.pricing.catalog import Slot, slot_for, slot_tariff
from flightdeck.pricing.tables import tariff_for
from flightdeck.pricing.tariff import Tariff, UsageKey
from flightdeck.releases.catalog import Catalog
from flightdeck.releases.evidence import Evidence, Total, difference, rounded
from flightdeck.releases.references import SIDES, Reference, shown
from flightdeck.store.cohort import CohortQuery


@dataclass(frozen=True, slots=True)
class Costs:
    """Of baseline and candidate, in this order: the sums under the release's own prices, and what has no price."""

    totals: tuple[Total, Total]
    unpriced: tuple[str, ...]
    catalog: DiffCatalog


def costs(
    sides: Sequence[Reference], cohorts: Sequence[CohortQuery], ledger: Ledger, evidence: Evidence, catalog: Catalog
) -> Costs:
    """Prices the runs of both sides: in one query, unless each has a window of its own.

    Args:
        sides: the prices of baseline and candidate.
        cohorts: the runs of each.
        ledger: where the imported tables are.
        evidence: where the runs are.
        catalog: the workspace's.
    """
    used = [set(evidence.usage_keys(cohort)) for cohort in cohorts]
    # Both tariffs price all usage: then releases with the same prices have the same tariff, which is bound once.
    keys = sorted(used[0] | used[1])
    newest = ledger.pricing.newest()
    own = [tariff_for(side.side, keys, release=side.source, newest=newest, defaults=defaults) for side in sides]
    slots = _slots(catalog, sides)
    like = _like(slots, keys)
    tariffs = [*own, *like]
    distinct = list({tariff.rows: tariff for tariff in reversed(tariffs)}.values())
    position = {tariff.rows: number for number, tariff in enumerate(distinct)}
    cells = _cells(cohorts, distinct, evidence)
    baseline, candidate, *under_catalog = (
        Total.of(cells[number % 2], cohorts[number % 2].release_ids[0], position[tariff.rows])
        for number, tariff in enumerate(tariffs)
    )
    return Costs(
        totals=(baseline, candidate),
        unpriced=tuple(
            _unpriced(side.side, total, of_side - {row.key for row in tariff.rows})
            for side, total, of_side, tariff in zip(sides, (baseline, candidate), used, own, strict=True)
            if total.unpriced
        ),
        catalog=_catalog(catalog, slots, under_catalog),
    )


def _cells(cohorts: Sequence[CohortQuery], tariffs: Sequence[Tariff], evidence: Evidence) -> list[Sequence[Cell]]:
    """The cells of each side."""
    releases = tuple(dict.fromkeys(id_ for cohort in cohorts for id_ in cohort.release_ids))
    joint = {replace(cohort, release_ids=releases) for cohort in cohorts}
    if len(joint) == 1:
        return [evidence.cells(joint.pop(), tariffs)] * len(cohorts)
    return [evidence.cells(cohort, tariffs) for cohort in cohorts]


def _unpriced(side: str, total: Total, keys: set[UsageKey]) -> str:
    """What runs are left out of cost, and why."""
    models = sorted({f"{key.provider or '?'}/{key.model or '?'}" for key in keys})
    why = f"no price for {shown(models)}" if models else "they name no model, or none with a price at their time"
    return f"{side}: {total.unpriced} of {total.runs} runs have no price and are left out of cost ({why})"


# --- the catalog --------------------------------------------------------------------------------------


def _slots(catalog: Catalog, sides: Sequence[Reference]) -> list[Slot]:
    if catalog.content is None:
        return [Slot(None, None) for _ in sides]
    return [slot_for(catalog.content, side.provider, side.version, side.model) for side in sides]


def _like(slots: Sequence[Slot], keys: Sequence[UsageKey]) -> list[Tariff]:
    """The tariffs of both slots; none unless both sides have one."""
    prices = [slot.prices for slot in slots if slot.prices is not None]
    if len(prices) < len(slots):
        return []
    return [slot_tariff(f"catalog {side}", price, keys) for side, price in zip(SIDES, prices, strict=True)]


def _catalog(catalog: Catalog, slots: Sequence[Slot], totals: Sequence[Total]) -> DiffCatalog:
    if catalog.content is None:
        return DiffCatalog(warnings=[catalog.warning] if catalog.warning else [])
    before, after = (total.cost_per_run for total in totals) if totals else (None, None)
    return DiffCatalog(
        enabled=True,
        catalog_version=catalog.content.catalog_version,
        baseline_slot_id=slots[0].slot_id,
        candidate_slot_id=slots[1].slot_id,
        baseline_cost_per_run_usd=rounded(before),
        candidate_cost_per_run_usd=rounded(after),
        delta_cost_per_run_usd=rounded(difference(before, after)),
        warnings=[f"{side}: {slot.warning}" for side, slot in zip(SIDES, slots, strict=True) if slot.warning],
    )
