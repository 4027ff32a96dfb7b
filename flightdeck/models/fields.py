"""Field types that several models share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # pydantic tells only ValueErrors as the input's fault
        raise ValueError(f"{moment.isoformat()} is out of range: in UTC its year is not one of 1 to 9999") from error


Moment = Annotated[datetime, AfterValidator(_utc)]
"""A point in time; without a zone it is UTC."""
