"""Imported pricing tables, and which price a usage key gets: the release's, the provider's newest, the default (D7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

from flightdeck.errors import Invalid, TooLarge
from flightdeck.models import CatalogTariff, PricingEntry, PricingTable
from flightdeck.pricing.tariff import (
    ALWAYS_SINCE_US,
    ALWAYS_UNTIL_US,
    MAX_PRICE_PICO,
    PriceRow,
    Tariff,
    UsageKey,
)

MAX_ENTRIES = 10_000
"""Most entries of one pricing table."""

PICO_PER_TOKEN_OF_USD_PER_1K = 10**9
"""1 USD per 1,000 tokens, in pico-USD per token."""


class Defaults(Protocol):
    """Prices that nobody imported, and what is known of models' names: :mod:`flightdeck.pricing.defaults`."""

    def rows(self, key: UsageKey) -> list[PriceRow]:
        """The rows of a usage key, for all times; empty when the model has no known price."""

    def same_model(self, provider: str, model: str, names: Iterable[str]) -> str | None:
        """The first of some names that means the same model; None when none does."""


Source = Callable[[UsageKey], Sequence[PriceRow]]
"""Where a key's prices may come from; no rows where the source does not know the model."""


def pico_per_token(usd_per_1k: float) -> int:
    """A table's price in pico-USD per token: exact up to 9 decimals of USD per 1,000 tokens, else rounded half even.

    >>> pico_per_token(0.0025)  # 2.50 USD per million tokens
    2500000

    Raises:
        Invalid: it is negative, not finite, or over 1,000 USD per token.
    """
    # The shortest decimal that gives this float back is what the table's author wrote.
    price = Decimal(repr(float(usd_per_1k)))
    if not price.is_finite() or price < 0 or price * PICO_PER_TOKEN_OF_USD_PER_1K > MAX_PRICE_PICO:
        raise Invalid(f"{usd_per_1k} USD per 1,000 tokens is no price: it must be between 0 and 1,000,000.")
    return int((price * PICO_PER_TOKEN_OF_USD_PER_1K).to_integral_value())


def price_row(key: UsageKey, entry: PricingEntry | CatalogTariff) -> PriceRow:
    """What an entry charges for a usage key. Tables have neither dates nor tiers: it holds always and for every call.

    Cached input without a price of its own costs what input costs (D1), and so does cache creation (D7).
    """
    price = pico_per_token(entry.input_usd_per_1k_tokens)
    cached, creation = entry.cached_input_usd_per_1k_tokens, entry.cache_creation_input_usd_per_1k_tokens
    return PriceRow(
        provider=key.provider,
        model=key.model,
        input_tier=key.input_tier,
        since_us=ALWAYS_SINCE_US,
        until_us=ALWAYS_UNTIL_US,
        input=price,
        cached=price if cached is None else pico_per_token(cached),
        creation=price if creation is None else pico_per_token(creation),
        output=pico_per_token(entry.output_usd_per_1k_tokens),
    )


def entry_of(table: PricingTable, model: str, names: Defaults) -> PricingEntry | None:
    """The entry that prices a model: the first of its name, else the first of a name that means the same model.

    Runs report ``gpt-4.1-2025-04-14`` or ``gpt-4.1``, depending on their instrumentation; a table lists one of them.
    """
    found = next((entry for entry in table.entries if entry.model == model), None)
    if found is not None:
        return found
    name = names.same_model(table.provider, model, (entry.model for entry in table.entries))
    return next((entry for entry in table.entries if entry.model == name), None)


def check_table(table: PricingTable) -> None:
    """Refuses a table that could not price anything exactly.

    Raises:
        Invalid: a price out of bounds, with the entry's position and model.
        TooLarge: more than 10,000 entries.
    """
    if len(table.entries) > MAX_ENTRIES:
        raise TooLarge(f"The pricing table has {len(table.entries)} entries; the most is {MAX_ENTRIES}.")
    for position, entry in enumerate(table.entries):
        try:
            price_row(UsageKey(table.provider, entry.model, 0), entry)
        except Invalid as error:
            raise Invalid(f"entries[{position}] ({entry.model}): {error.message}", field="entries") from error


def imported(table: PricingTable, names: Defaults) -> Source:
    """A table as a source: it prices models by name, whatever the provider that a run names."""

    def rows(key: UsageKey) -> Sequence[PriceRow]:
        entry = entry_of(table, key.model, names)
        return [] if entry is None else [price_row(key, entry)]

    return rows


def pinned(provider: str, defaults: Defaults) -> Source:
    """The defaults of one provider as a source, for a release that refers to them."""

    def rows(key: UsageKey) -> Sequence[PriceRow]:
        if key.provider not in {"", provider}:
            return []
        return [replace(row, provider=key.provider) for row in defaults.rows(key._replace(provider=provider))]

    return rows


def tariff_for(
    name: str, keys: Iterable[UsageKey], *, release: Source, newest: Mapping[str, PricingTable], defaults: Defaults
) -> Tariff:
    """The prices of one release for the usage of a diff (difference D7).

    A key is priced by the release's own source if that knows the model, else by the newest imported table of the key's
    provider, else by the defaults, else not at all.

    Args:
        name: what to call the tariff, unique within one query.
        keys: the usage to price.
        release: what the release refers to: :func:`imported` or :func:`pinned`.
        newest: the newest imported table of each provider.
        defaults: where other prices come from.
    """
    rows: list[PriceRow] = []
    for key in sorted(set(keys)):
        table = newest.get(key.provider)
        rows.extend(release(key) or ([] if table is None else imported(table, defaults)(key)) or defaults.rows(key))
    return Tariff(name, tuple(rows))
