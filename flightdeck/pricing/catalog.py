"""The pricing catalog: models of different tables in one slot, so that both sides of a diff cost under like prices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flightdeck.errors import Invalid
from flightdeck.models import CatalogTariff, PricingCatalog
from flightdeck.pricing.tables import price_row
from flightdeck.pricing.tariff import Tariff, UsageKey


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a side of a diff belongs in the catalog: its slot's id and prices, or why it has none."""

    slot_id: str | None
    prices: CatalogTariff | None
    warning: str = ""


def slot_for(catalog: PricingCatalog, provider: str, pricing_version: str, model: str) -> Slot:
    """The slot of a table's model, by exact names; of several mappings the first counts."""
    key = (provider, pricing_version, model)
    for mapping in catalog.mappings:
        if (mapping.provider, mapping.pricing_version, mapping.model) == key:
            return _slot(mapping.catalog_slot_id, catalog.tariffs.get(mapping.catalog_slot_id))
    return Slot(None, None, f"no catalog mapping for {provider}/{pricing_version} model={model!r}")


def _slot(slot_id: str, prices: CatalogTariff | None) -> Slot:
    if prices is None:
        return Slot(slot_id, None, f"catalog slot {slot_id!r} has no tariffs entry")
    try:
        price_row(UsageKey("", "", 0), prices)
    except Invalid as error:
        return Slot(slot_id, None, f"catalog slot {slot_id!r}: {error.message}")
    return Slot(slot_id, prices)


def slot_tariff(name: str, prices: CatalogTariff, keys: Iterable[UsageKey]) -> Tariff:
    """A slot's prices for all usage of a side: within a slot every model costs the same."""
    return Tariff(name, tuple(price_row(key, prices) for key in sorted(set(keys))))
