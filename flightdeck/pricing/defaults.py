"""Default prices: the data inside the installed ``genai-prices`` package, as price rows.

Nothing is fetched: the package's updater is never started, and a snapshot that someone else in the process set is not
looked at, so one version of the package always gives the same prices. Models are found by the package's own matching.

A usage key gets no rows, that is, it stays unpriced, where the package charges for something that a run does not
record (hours of audio, pages, characters, reasoning tokens at a price of their own) or names no price at all, unless
the model is offered as ``:free``.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from flightdeck.models import PricingEntry, PricingTable
from flightdeck.models.runs import INPUT_TIERS
from flightdeck.pricing.tariff import (
    ALWAYS_SINCE_US,
    ALWAYS_UNTIL_US,
    DAY_S,
    PICO_PER_USD,
    PriceRow,
    UsageKey,
)
from flightdeck.pricing.versions import VERSION_PREFIX

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

REMEMBERED = 4_096
"""Models whose rows are kept in memory; names come from telemetry, so there may be any number of them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PICO_PER_USD_PER_MILLION = PICO_PER_USD // 10**6
_PICO_PER_USD_PER_THOUSAND = PICO_PER_USD // 10**3


def version() -> str:
    """The defaults' pricing version, like ``genai-prices-0.2.3``."""
    return VERSION_PREFIX + importlib.metadata.version("genai-prices")


def rows(key: UsageKey) -> list[PriceRow]:
    """The prices of a usage key for all times and times of day; empty when it has none.

    The provider is a genai-prices id or one of its aliases; without one the model's name has to tell it.
    """
    return [
        replace(row, provider=key.provider, model=key.model)
        for row in _rows(key.provider.strip().lower(), key.model.strip().lower(), min(key.input_tier, len(INPUT_TIERS)))
    ]


def entry(provider: str, model: str, at: datetime) -> PricingEntry | None:
    """What a small call of a model costs at a moment, in a table's form; None when it has no price."""
    moment = (at - _EPOCH) // timedelta(microseconds=1)
    row = next((row for row in rows(UsageKey(provider, model, 0)) if row.covers(moment)), None)
    if row is None:
        return None
    return PricingEntry(
        model=model,
        input_usd_per_1k_tokens=_usd_per_1k(row.input),
        output_usd_per_1k_tokens=_usd_per_1k(row.output),
        cached_input_usd_per_1k_tokens=_usd_per_1k(row.cached),
        cache_creation_input_usd_per_1k_tokens=None if row.creation == row.input else _usd_per_1k(row.creation),
    )


def table(provider: str, at: datetime) -> PricingTable | None:
    """The defaults of a provider at a moment, under the ids of its models; None when the provider is not known."""
    known = next((known for known in _providers() if known.id == provider), None)
    if known is None:
        return None
    entries = (entry(provider, model.id, at) for model in known.models)
    return PricingTable(provider=provider, pricing_version=version(), entries=[found for found in entries if found])


def same_model(provider: str, model: str, names: Iterable[str]) -> str | None:
    """The first of some names that the provider takes for the same model, like ``gpt-4.1`` for a dated ``gpt-4.1-…``.

    Names that the package knows as one model have one list price. None when it does not know the model, or no name is
    the same.
    """
    provider = provider.strip().lower()
    known = _find(provider, model.strip().lower())
    if known is None:
        return None
    # Several entries of the package may match a name; the first one is meant, so the name is looked up as well.
    return next((name for name in names if known.is_match(name) and _find(provider, name.lower()) is known), None)


@cache
def _providers() -> list[Provider]:
    # Imported when first needed: the data is a megabyte and a half of Python.
    from genai_prices.data import providers  # noqa: PLC0415

    return providers


@lru_cache(maxsize=REMEMBERED)
def _rows(provider: str, model: str, tier: int) -> tuple[PriceRow, ...]:
    found = _find(provider, model)
    if found is None:
        return ()
    return tuple(_price_rows(UsageKey(provider, model, tier), found))


@lru_cache(maxsize=REMEMBERED)
def _find(provider: str, model: str) -> ModelInfo | None:
    from genai_prices.data_snapshot import DataSnapshot  # noqa: PLC0415

    if not model:
        return None
    # A snapshot of our own for each search: it remembers every name it was ever asked for.
    snapshot = DataSnapshot(providers=_providers(), from_auto_update=False)
    try:
        _, found = snapshot.find_provider_model(model, None, provider or None, None)
    except LookupError:
        return None
    return found


def _price_rows(key: UsageKey, model: ModelInfo) -> Iterator[PriceRow]:
    """One row for each stretch of dates and of the day in which the package's answer is the same.

    The package itself is asked, once in each stretch: its rules for which price is active are not repeated here.
    """
    from genai_prices.types import StartDateConstraint, TimeOfDateConstraint  # noqa: PLC0415

    constraints = [price.constraint for price in model.prices] if isinstance(model.prices, list) else []
    constraints = [constraint for constraint in constraints if constraint is not None]
    if any(not isinstance(constraint, StartDateConstraint | TimeOfDateConstraint) for constraint in constraints):
        return
    dates = {each.start_date for each in constraints if isinstance(each, StartDateConstraint)}
    times = {
        _second_of_day(moment)
        for each in constraints
        if isinstance(each, TimeOfDateConstraint)
        for moment in (each.start_time, each.end_time)
    }
    for since, until, sample in _date_stretches(dates):
        for day_since_s, day_until_s in pairwise(sorted({0, DAY_S, *times})):
            prices = model.get_prices(sample + timedelta(seconds=day_since_s))
            row = _price_row(key, model, prices)
            if row is not None:
                yield replace(row, since_us=since, until_us=until, day_since_s=day_since_s, day_until_s=day_until_s)


def _date_stretches(starts: Iterable[date]) -> Iterator[tuple[int, int, datetime]]:
    """Since and until (µs) of the stretches between dates, and the midnight of a day in each."""
    days = sorted(datetime.combine(start, time(), UTC) for start in starts)
    if not days:
        yield ALWAYS_SINCE_US, ALWAYS_UNTIL_US, _EPOCH
        return
    marks = [(day - _EPOCH) // timedelta(microseconds=1) for day in days]
    yield ALWAYS_SINCE_US, marks[0], days[0] - timedelta(days=1)
    yield from zip(marks, [*marks[1:], ALWAYS_UNTIL_US], days, strict=True)


def _second_of_day(moment: time) -> int:
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    utc = datetime.combine(_EPOCH.date(), zoned).astimezone(UTC)
    return utc.hour * 3600 + utc.minute * 60 + utc.second


def _price_row(key: UsageKey, model: ModelInfo, prices: ModelPrice) -> PriceRow | None:
    """The row of one stretch, or None when a run does not record what is charged for."""
    price = prices.input_mtok
    if price is None:
        if not model.id.endswith(":free") or any(value is not None for value in vars(prices).values()):
            return None
        price = Decimal(0)
    output = _at_tier(prices.output_mtok, key.input_tier)
    reasoning = _at_tier(prices.output_reasoning_mtok, key.input_tier)
    if reasoning is not None and reasoning != output:
        return None
    fresh = _at_tier(price, key.input_tier)
    return PriceRow(
        *key,
        since_us=ALWAYS_SINCE_US,
        until_us=ALWAYS_UNTIL_US,
        input=_pico(fresh, fresh),
        cached=_pico(_at_tier(prices.cache_read_mtok, key.input_tier), fresh),
        creation=_pico(_at_tier(prices.cache_write_mtok, key.input_tier), fresh),
        output=_pico(output, Decimal(0)),  # embeddings have none
        call=_pico(_at_tier(prices.requests_kcount, key.input_tier), Decimal(0), per=_PICO_PER_USD_PER_THOUSAND),
    )


def _at_tier(price: Any, tier: int) -> Decimal | None:  # noqa: ANN401 - the package types its prices so
    """A price for calls of an input tier.

    A run knows only which of our four thresholds a call exceeded, so a threshold of the package stands for the nearest
    of ours: 199,999 is 200,000, 256,000 is 272,000.
    """
    if price is None or isinstance(price, Decimal):
        return price
    applicable: Decimal = price.base
    for step in price.tiers:
        if _nearest_tier(step.start) <= tier:
            applicable = step.price
    return applicable


@cache
def _nearest_tier(threshold: int) -> int:
    """The number of the input tier that begins nearest to a threshold, by ratio."""
    ratios = [max(threshold, 1) / ours for ours in INPUT_TIERS]
    return 1 + min(range(len(ratios)), key=lambda number: max(ratios[number], 1 / ratios[number]))


def _pico(price: Decimal | None, otherwise: Decimal | None, *, per: int = _PICO_PER_USD_PER_MILLION) -> int:
    chosen = price if price is not None else otherwise
    return int(((chosen or Decimal(0)) * per).to_integral_value())


def _usd_per_1k(pico_per_token: int) -> float:
    return float(Decimal(pico_per_token) * 1000 / PICO_PER_USD)
