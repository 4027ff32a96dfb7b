"""The pricing catalog: models of different tables in one slot, so that both sides of a diff cost under like prices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flightdeck.errors import Invalid
from flightdeck.models import CatalogTariff, PricingCatalog, PricingMapping
from flightdeck.pricing.tables import price_row
from flightdeck.pricing.tariff import Tariff, UsageKey

BUNDLED_SLOT = "comparable_flash_tier"
_BUNDLED_MODELS = (
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-3-5-haiku-20241022"),
    ("google", "gemini-2.0-flash"),
)


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


def bundled_catalog(pricing_version: str) -> PricingCatalog:
    """The catalog of a new workspace: one slot for three small models, under one version of the default prices."""
    return PricingCatalog(
        catalog_version=pricing_version,
        mappings=[
            PricingMapping(
                provider=provider, pricing_version=pricing_version, model=model, catalog_slot_id=BUNDLED_SLOT
            )
            for provider, model in _BUNDLED_MODELS
        ],
        tariffs={
            BUNDLED_SLOT: CatalogTariff(
                input_usd_per_1k_tokens=0.00012,
                output_usd_per_1k_tokens=0.00045,
                cached_input_usd_per_1k_tokens=0.00003,
            )
        },
    )
