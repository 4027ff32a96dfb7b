"""Field types that models share."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

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
