"""Field types that models share."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from flightdeck.models import CatalogTariff, Policy, PricingEntry, ReleaseRuntime
from flightdeck.models.fields import Moment


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-01:00"])
def test_a_moment_that_utc_has_no_year_for_is_a_fault_of_the_input(text):
    with pytest.raises(ValidationError, match="out of range"):
        TypeAdapter(Moment).validate_python(text)


def test_a_moment_is_in_utc_and_without_a_zone_it_already_is():
    moments = TypeAdapter(Moment)
    wanted = datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert moments.validate_python("2026-01-01T12:00:00+02:00") == wanted
    assert moments.validate_python("2026-01-01T10:00:00") == wanted


@pytest.mark.parametrize("number", [float("inf"), float("nan"), "Infinity", "1e999"])
@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (Policy, {"max_cost_per_run_usd"}),
        (Policy, {"max_error_rate"}),
        (Policy, {"max_unpriced_share"}),
        (PricingEntry, {"input_usd_per_1k_tokens"}),
        (PricingEntry, {"cached_input_usd_per_1k_tokens"}),
        (PricingEntry, {"cache_creation_input_usd_per_1k_tokens"}),
        (CatalogTariff, {"output_usd_per_1k_tokens"}),
        (ReleaseRuntime, {"temperature"}),
    ],
)
def test_a_limit_or_price_is_a_finite_number(model, fields, number):
    """What has no bound limits nothing, and JSON can't say it."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(dict.fromkeys(fields, number))
    wrong = {error["loc"]: error["type"] for error in caught.value.errors()}
    assert {wrong[field,] for field in fields} <= {"finite_number", "less_than_equal", "greater_than_equal"}
