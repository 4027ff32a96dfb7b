from datetime import UTC, datetime
from importlib.metadata import version

import pytest

from flightdeck.errors import Invalid, TooLarge
from flightdeck.models import CatalogTariff, PricingCatalog, PricingEntry, PricingTable
from flightdeck.pricing import defaults
from flightdeck.pricing.catalog import slot_for, slot_tariff
from flightdeck.pricing.tables import MAX_ENTRIES, check_table, imported, pico_per_token, pinned, price_row, tariff_for
from flightdeck.pricing.tariff import ALWAYS_SINCE_US, ALWAYS_UNTIL_US, DAY_S, PriceRow, UsageKey

NOW = datetime(2026, 11, 24, tzinfo=UTC)
MINI = UsageKey("openai", "gpt-4.1-mini", 0)


def table(*entries, provider="openai", pricing_version="v1"):
    keys = ("model", "input_usd_per_1k_tokens", "output_usd_per_1k_tokens", "cached_input_usd_per_1k_tokens")
    return PricingTable(
        provider=provider,
        pricing_version=pricing_version,
        entries=[dict(zip(keys, entry, strict=False)) for entry in entries],
    )


def tariff(*keys, release, newest=()):
    return tariff_for(
        "t",
        keys,
        release=imported(release, defaults),
        newest={each.provider: each for each in newest},
        defaults=defaults,
    )


@pytest.mark.parametrize(
    ("usd_per_1k", "pico"),
    [
        (0, 0),
        (0.0025, 2_500_000),
        (1.1845, 1_184_500_000),
        (0.1 + 0.2, 300_000_000),
        (1e-9, 1),
        (2.5e-9, 2),
        (1e6, 10**15),
    ],
)
def test_a_table_s_price_is_the_decimal_its_author_wrote(usd_per_1k, pico):
    assert pico_per_token(usd_per_1k) == pico


@pytest.mark.parametrize("price", [float("inf"), float("nan"), -0.1, 1_000_000.1])
def test_what_is_no_price_is_refused(price):
    with pytest.raises(Invalid, match="is no price"):
        pico_per_token(price)


def test_every_token_falls_in_exactly_one_bucket():
    row = PriceRow(
        "p", "m", 0, ALWAYS_SINCE_US, ALWAYS_UNTIL_US, input=1, cached=100, creation=10_000, output=10**6, call=10**9
    )
    assert row.cost(calls=2, input_tokens=50, cached=20, creation=10, output=3) == 2_003_102_020


def test_tokens_counted_apart_from_the_input_are_not_subtracted_from_it():
    """Difference D1: more cached than input."""
    row = PriceRow("p", "m", 0, ALWAYS_SINCE_US, ALWAYS_UNTIL_US, input=1, cached=100, creation=10_000, output=0)
    assert row.cost(calls=1, input_tokens=10, cached=11, creation=0, output=0) == 1_110


def test_a_row_holds_in_its_stretch_of_time_and_of_the_day():
    row = PriceRow("p", "m", 0, 0, 2 * DAY_S * 10**6, 1, 1, 1, 1, day_since_s=60, day_until_s=120)
    covered = [second for second in range(-DAY_S, 3 * DAY_S, 30) if row.covers(second * 10**6)]
    assert covered == [60, 90, DAY_S + 60, DAY_S + 90]
    assert not row.covers(120 * 10**6)
    assert row.covers(120 * 10**6 - 1)


def test_a_price_too_large_to_sum_up_is_no_row():
    with pytest.raises(ValueError, match="out of range"):
        PriceRow("p", "m", 0, 0, 1, 10**15 + 1, 0, 0, 0)


def test_the_release_s_table_beats_the_provider_s_newest_which_beats_the_defaults():
    """Difference D7."""
    release = table(("gpt-4.1-mini", 1, 2))
    newest = table(("gpt-4.1-mini", 3, 4), ("gpt-4.1", 5, 6), pricing_version="v9")
    keys = [MINI, UsageKey("openai", "gpt-4.1", 0), UsageKey("openai", "gpt-4o", 0), UsageKey("openai", "nobody", 0)]
    prices = {row.model: row.input for row in tariff(*keys, release=release, newest=[newest]).rows}
    assert prices == {"gpt-4.1-mini": 10**9, "gpt-4.1": 5 * 10**9, "gpt-4o": 2_500_000}


@pytest.mark.contract("C6.04")
def test_the_release_s_table_prices_by_model_whatever_provider_a_run_names():
    key = UsageKey("azure", "gpt-4.1-mini", 3)
    (row,) = tariff(key, release=table(("gpt-4.1-mini", 1, 2, 0.5))).rows
    assert (row.key, row.input, row.cached, row.creation, row.output) == (key, 10**9, 5 * 10**8, 10**9, 2 * 10**9)


def test_cached_input_without_a_price_costs_what_input_costs():
    (row,) = tariff(MINI, release=table(("gpt-4.1-mini", 1, 2))).rows
    assert row.cached == row.input
    (free,) = tariff(MINI, release=table(("gpt-4.1-mini", 1, 2, 0))).rows
    assert free.cached == 0


def test_cache_creation_may_have_a_price_of_its_own():
    prices = {"input_usd_per_1k_tokens": 1, "output_usd_per_1k_tokens": 2}
    own = PricingEntry(model="m", **prices, cache_creation_input_usd_per_1k_tokens=1.25)
    row = price_row(UsageKey("p", "m", 0), own)
    assert (row.creation, row.cached) == (1_250_000_000, 10**9)
    assert price_row(UsageKey("p", "m", 0), PricingEntry(model="m", **prices)).creation == 10**9
    assert "cache_creation_input_usd_per_1k_tokens" not in PricingEntry(model="m", **prices).model_dump()


@pytest.mark.contract("C3.13")
def test_of_several_entries_of_a_model_the_first_counts():
    (row,) = tariff(MINI, release=table(("gpt-4.1-mini", 1, 2), ("gpt-4.1-mini", 3, 4))).rows
    assert row.input == 10**9


def test_a_table_s_entry_prices_all_names_of_its_model():
    """Instrumentations report the dated name or the one that was asked for."""
    dated = UsageKey("openai", "gpt-4.1-mini-2025-04-14", 0)
    (row,) = tariff(dated, release=table(("gpt-4.1", 9, 9), ("gpt-4.1-mini", 1, 2))).rows
    assert (row.model, row.input) == ("gpt-4.1-mini-2025-04-14", 10**9)
    (row,) = tariff(MINI, release=table(("gpt-4.1-mini-2025-04-14", 1, 2))).rows
    assert row.input == 10**9
    assert tariff(UsageKey("acme", "m1", 0), release=table(("m1-mini", 1, 2), provider="acme")).rows == ()


def test_usage_without_a_model_has_no_price():
    assert tariff(UsageKey("", "", 0), release=table(("gpt-4.1-mini", 1, 2))).rows == ()


def test_a_release_that_refers_to_the_defaults_is_priced_by_them_before_imported_tables():
    newest = {
        "openai": table(("gpt-4.1-mini", 3, 4)),
        "anthropic": table(("claude-haiku-4-5", 7, 7), provider="anthropic"),
    }
    keys = [MINI, UsageKey("", "gpt-4.1-mini", 0), UsageKey("anthropic", "claude-haiku-4-5", 0)]
    release = pinned("openai", defaults)
    rows = tariff_for("t", keys, release=release, newest=newest, defaults=defaults).rows
    assert {row.key: row.input for row in rows} == {keys[0]: 400_000, keys[1]: 400_000, keys[2]: 7 * 10**9}


def test_a_table_is_checked_entry_by_entry():
    with pytest.raises(Invalid, match=r"entries\[1\] \(b\): 10000000.0 USD"):
        check_table(table(("a", 1, 1), ("b", 1e7, 1)))
    with pytest.raises(TooLarge, match="10001 entries"):
        check_table(table(*[("a", 1, 1)] * (MAX_ENTRIES + 1)))


# --- defaults ---


def test_defaults_are_versioned_by_their_package():
    assert defaults.version() == f"genai-prices-{version('genai-prices')}"


def test_bundled_prices_are_not_1_000_times_too_high():
    """Difference D7: 1.3 has 2.50 USD per 1,000 tokens here; it is per million."""
    entry = defaults.entry("openai", "gpt-4o", NOW)
    assert (entry.input_usd_per_1k_tokens, entry.output_usd_per_1k_tokens) == (0.0025, 0.01)
    assert entry.cached_input_usd_per_1k_tokens == 0.00125


def test_a_tier_of_large_calls_has_its_own_price():
    prices = [defaults.rows(UsageKey("google", "gemini-2.5-pro", tier))[0].input for tier in range(6)]
    assert prices == [1_250_000, 1_250_000, *[2_500_000] * 4]


def test_a_price_by_time_of_day_and_date_becomes_rows_that_cover_all_of_it():
    rows = defaults.rows(UsageKey("deepseek", "deepseek-chat", 0))
    assert {(row.day_since_s, row.day_until_s) for row in rows} == {(0, 1800), (1800, 59_400), (59_400, DAY_S)}


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("nobody", "gpt-4.1"),
        ("openai", "no-such-model"),
        ("openai", "whisper-1"),  # by the hour
        ("perplexity", "sonar-deep-research"),  # reasoning tokens have a price of their own
        ("github-copilot", "gpt-4.1"),  # listed without any price
        ("", ""),
        ("openai", ""),
    ],
)
def test_a_model_without_a_known_price_is_unpriced_never_free(provider, model):
    assert defaults.rows(UsageKey(provider, model, 0)) == []
    assert defaults.entry(provider, model, NOW) is None


def test_a_model_that_is_offered_free_costs_nothing():
    (row,) = defaults.rows(UsageKey("openrouter", "deepseek/deepseek-r1:free", 0))
    assert (row.input, row.output) == (0, 0)


def test_a_provider_s_alias_and_a_model_without_provider_are_found():
    (plain,) = defaults.rows(UsageKey("", "claude-haiku-4-5-20251001", 0))
    (named,) = defaults.rows(UsageKey("Anthropic", "Claude-Haiku-4-5", 0))
    assert plain.input == named.input == 1_000_000


def test_the_defaults_of_a_provider_make_a_table():
    made = defaults.table("openai", NOW)
    assert made.pricing_version == defaults.version()
    assert defaults.entry("openai", "gpt-4o", NOW) in made.entries
    check_table(made)
    assert defaults.table("nobody", NOW) is None


# --- catalog ---


def catalog():
    mapping = {"provider": "openai", "pricing_version": "v1"}
    return PricingCatalog(
        catalog_version="c1",
        mappings=[
            {**mapping, "model": "m1", "catalog_slot_id": "s1"},
            {**mapping, "model": "m2", "catalog_slot_id": "gone"},
        ],
        tariffs={"s1": {"input_usd_per_1k_tokens": 1, "output_usd_per_1k_tokens": 2}},
    )


def test_a_slot_is_found_by_exact_names_or_says_why_not():
    assert slot_for(catalog(), "openai", "v1", "m1").prices == CatalogTariff(
        input_usd_per_1k_tokens=1, output_usd_per_1k_tokens=2
    )
    gone = slot_for(catalog(), "openai", "v1", "m2")
    assert (gone.slot_id, gone.prices, gone.warning) == ("gone", None, "catalog slot 'gone' has no tariffs entry")
    none = slot_for(catalog(), "openai", "v2", "m1")
    assert (none.slot_id, none.prices) == (None, None)
    assert none.warning == "no catalog mapping for openai/v2 model='m1'"


def test_within_a_slot_every_model_costs_the_same():
    prices = slot_for(catalog(), "openai", "v1", "m1").prices
    rows = slot_tariff("slot", prices, [MINI, UsageKey("x", "y", 2)]).rows
    assert [(row.key, row.input, row.cached) for row in rows] == [
        (MINI, 10**9, 10**9),
        (UsageKey("x", "y", 2), 10**9, 10**9),
    ]
