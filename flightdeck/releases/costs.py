"""What the runs of a diff cost: each release under its own prices, and both under the catalog's, or another table's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flightdeck.errors import Invalid
from flightdeck.ledger import Ledger
from flightdeck.models import DiffCatalog
from flightdeck.pricing import defaults
from flightdeck.pricing.catalog import Slot, slot_for, slot_tariff
from flightdeck.pricing.tables import tariff_for
from flightdeck.pricing.tariff import Tariff, UsageKey
from flightdeck.releases.catalog import Catalog
from flightdeck.releases.evidence import Total, difference, rounded
from flightdeck.releases.references import SIDES, Reference, shown


@dataclass(frozen=True, slots=True)
class Prices:
    """The tariffs of a diff, each once, and which of them is whose.

    Attributes:
        tariffs: all.
        own: positions of baseline's and candidate's.
        like: positions of both under the catalog; empty without a slot on both sides.
        used: the models that each side's runs used.
    """

    tariffs: Sequence[Tariff]
    own: Sequence[int]
    like: Sequence[int]
    used: Sequence[set[UsageKey]]
    slots: Sequence[Slot]
    catalog: Catalog

    @property
    def judged(self) -> int:
        """The tariff that prices both sides of a verdict, so that prices and usage stay apart: the candidate's."""
        return self.own[1]


def prices(
    sides: Sequence[Reference],
    used: Sequence[Sequence[UsageKey]],
    ledger: Ledger,
    catalog: Catalog,
    *,
    by_catalog: bool = False,
) -> Prices:
    """The tariffs of both sides.

    Args:
        sides: the prices of baseline and candidate.
        used: what the runs of each used.
        ledger: where the imported tables are.
        catalog: the workspace's.
        by_catalog: the catalog's prices take the place of the sides' own.

    Raises:
        Invalid: ``by_catalog`` without a slot on both sides.
    """
    # Both tariffs price all usage: then releases with the same prices have the same tariff, which is bound once.
    keys = sorted(set(used[0]) | set(used[1]))
    slots = _slots(catalog, sides)
    like = _like(slots, keys)
    if by_catalog and not like:
        why = [f"{side}: {slot.warning}" for side, slot in zip(SIDES, slots, strict=True) if slot.warning]
        raise Invalid(
            "The catalog can't price both sides: "
            + ("; ".join(why) or catalog.warning or "this workspace has no pricing catalog"),
            field="pricing",
        )
    newest = ledger.pricing.newest()
    own = like or []
    if not by_catalog:
        own = [tariff_for(side.side, keys, release=side.source, newest=newest, defaults=defaults) for side in sides]
    distinct = list({tariff.rows: tariff for tariff in reversed([*own, *like])}.values())
    position = {tariff.rows: number for number, tariff in enumerate(distinct)}
    return Prices(
        tariffs=distinct,
        own=[position[tariff.rows] for tariff in own],
        like=[position[tariff.rows] for tariff in like],
        used=[set(of_side) for of_side in used],
        slots=slots,
        catalog=catalog,
    )


def unpriced(found: Prices, totals: Sequence[Total]) -> list[str]:
    """What runs of each side are left out of cost, and why."""
    return [
        _unpriced(side, total, used - {row.key for row in found.tariffs[own].rows})
        for side, total, used, own in zip(SIDES, totals, found.used, found.own, strict=True)
        if total.unpriced
    ]


def _unpriced(side: str, total: Total, keys: set[UsageKey]) -> str:
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
    found = [slot.prices for slot in slots if slot.prices is not None]
    if len(found) < len(slots):
        return []
    return [slot_tariff(f"catalog {side}", price, keys) for side, price in zip(SIDES, found, strict=True)]


def catalog_part(found: Prices, totals: Sequence[Total]) -> DiffCatalog:
    """Both sides under the catalog; ``totals`` are empty where they have no slot."""
    catalog, slots = found.catalog, found.slots
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
