"""Our price rows against the package they are made of, call by call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import genai_prices
from genai_prices.data import providers
from genai_prices.types import TieredPrices
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from flightdeck.models.runs import INPUT_TIERS
from flightdeck.pricing import defaults
from flightdeck.pricing.tariff import UsageKey

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MODELS = [(provider.id, model.id) for provider in providers for model in provider.models]
DATED = [
    (provider.id, model.id)
    for provider in providers
    for model in provider.models
    if isinstance(model.prices, list) and len(model.prices) > 1
]
TIERED = [
    (provider.id, model.id)
    for provider in providers
    for model in provider.models
    if any(
        isinstance(value, TieredPrices)
        for prices in (model.prices if isinstance(model.prices, list) else [model])
        for value in vars(prices.prices).values()
    )
]
TOKENS = st.integers(0, 1_200_000) | st.sampled_from([edge + step for edge in INPUT_TIERS for step in (-1, 0, 1)])


@st.composite
def calls(draw):
    """A model and one call of it: input (which includes the rest), cached, cache creation, output."""
    provider, model = draw(st.sampled_from(MODELS) | st.sampled_from(DATED) | st.sampled_from(TIERED))
    tokens = draw(TOKENS)
    cached = draw(st.integers(0, tokens))
    creation = draw(st.integers(0, tokens - cached))
    return provider, model, tokens, cached, creation, draw(st.integers(0, 200_000))


def nearest(threshold: int) -> int:
    return min(INPUT_TIERS, key=lambda ours: max(ours, threshold) / min(ours, threshold))


def undecided(prices, tokens: int) -> bool:
    """Whether a call lies between a threshold of the package and the one of ours that stands for it."""
    starts = {tier.start for price in vars(prices).values() if isinstance(price, TieredPrices) for tier in price.tiers}
    return any(min(start, nearest(start)) < tokens <= max(start, nearest(start)) for start in starts)


@settings(max_examples=600, deadline=None)
@given(calls(), st.datetimes(datetime(2022, 1, 1), datetime(2028, 1, 1)))  # noqa: DTZ001 - naive is UTC
@example(("deepseek", "deepseek-chat", 1000, 100, 0, 50), datetime(2025, 7, 1, 0, 29, 59, 999_999))  # noqa: DTZ001
@example(("deepseek", "deepseek-chat", 1000, 100, 0, 50), datetime(2025, 7, 1, 0, 30))  # noqa: DTZ001
@example(("perplexity", "sonar", 10, 0, 0, 10), datetime(2026, 7, 1))  # noqa: DTZ001
@example(("anthropic", "claude-sonnet-4-5", 200_001, 100_000, 50_000, 9), datetime(2026, 7, 1))  # noqa: DTZ001
def test_a_call_costs_what_the_package_says(call, moment):
    provider, model, tokens, cached, creation, output = call
    at = moment.replace(tzinfo=UTC)
    usage = genai_prices.Usage(
        input_tokens=tokens, cache_read_tokens=cached, cache_write_tokens=creation, output_tokens=output
    )
    try:
        theirs = genai_prices.calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)
    except LookupError:  # a few ids are not matched by their own rule
        assert defaults.rows(UsageKey(provider, model, 0)) == []
        return
    assume(not undecided(theirs.model_price, tokens))
    rows = defaults.rows(UsageKey(provider, model, sum(tokens > edge for edge in INPUT_TIERS)))
    now = [row for row in rows if row.covers((at - EPOCH) // timedelta(microseconds=1))]
    if not now:
        event("unpriced")
        prices = {name: price for name, price in vars(theirs.model_price).items() if price is not None}
        assert "input_mtok" not in prices or "output_reasoning_mtok" in prices
        return
    (row,) = now
    ours = row.cost(calls=1, input_tokens=tokens, cached=cached, creation=creation, output=output)
    # A price per token that is no whole number of pico-USD is rounded, at most by half a one.
    rounding = Decimal(tokens + output) / 2
    assert abs(Decimal(ours) - theirs.total_price * 10**12) <= rounding
    if all(not (price * 10**6) % 1 for price in flat(theirs.model_price)):
        assert ours == theirs.total_price * 10**12


def flat(prices):
    """All prices per million tokens, tiers included."""
    for name, price in vars(prices).items():
        if name.endswith("_mtok") and price is not None:
            yield from (
                [price.base, *(tier.price for tier in price.tiers)] if isinstance(price, TieredPrices) else [price]
            )


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(MODELS), st.integers(0, 4), st.integers(-(2**62), 2**62))
def test_at_any_moment_one_row_holds_or_none(model, tier, moment):
    assert sum(row.covers(moment) for row in defaults.rows(UsageKey(*model, tier))) <= 1


def test_most_models_have_a_price():
    """So that a change in the package's classes, which would leave everything unpriced, is seen."""
    priced = sum(bool(defaults.rows(UsageKey(provider, model, 0))) for provider, model in MODELS)
    assert priced > 0.8 * len(MODELS)
