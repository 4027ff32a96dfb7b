"""Pricing tables and the catalog that makes them comparable."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from flightdeck.models.fields import Usd

OptionalUsd = Annotated[Usd | None, Field(exclude_if=lambda price: price is None)]
"""A price that 1.3 does not know: shown only where it is set."""


class PricingEntry(BaseModel):
    """Prices of one model in USD per 1,000 tokens.

    Input that is read from a cache, or written to one, costs what input costs where it has no price of its own.
    """

    model: str
    input_usd_per_1k_tokens: Usd
    output_usd_per_1k_tokens: Usd
    cached_input_usd_per_1k_tokens: Usd | None = None
    cache_creation_input_usd_per_1k_tokens: OptionalUsd = None


class PricingTable(BaseModel):
    """Prices of one provider, at one version. Of several entries of one model the first counts."""

    provider: str
    pricing_version: str
    entries: list[PricingEntry]


class PricingMapping(BaseModel):
    """Which catalog slot a model of a table belongs to."""

    provider: str
    pricing_version: str
    model: str
    catalog_slot_id: str


class CatalogTariff(BaseModel):
    """Prices of a catalog slot in USD per 1,000 tokens, as those of an entry."""

    input_usd_per_1k_tokens: Usd
    output_usd_per_1k_tokens: Usd
    cached_input_usd_per_1k_tokens: Usd | None = None
    cache_creation_input_usd_per_1k_tokens: OptionalUsd = None


class PricingCatalog(BaseModel):
    """Prices both sides of a diff by slot, so that a change of price table does not look like a change of the agent."""

    api_version: Literal["v1"] = "v1"
    kind: Literal["PricingCatalog"] = "PricingCatalog"
    catalog_version: str
    mappings: list[PricingMapping] = Field(default_factory=list)
    tariffs: dict[str, CatalogTariff] = Field(default_factory=dict)
