"""The shapes of answers that routes put together by hand: for the OpenAPI document, and so for generated clients.

They describe, they don't check: what is listed can be long, and is valid by the way it was stored.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from flightdeck.models import DataQuality, DiffFilters, Policy, RunEvent, RunKind


class ReleaseLine(BaseModel):
    """A release as lists show it."""

    release_id: str
    agent_id: str
    version: str
    environment: str
    checksum: str
    created_at: str


class Releases(BaseModel):
    """The answer of ``GET /v1/releases``: newest first."""

    releases: list[ReleaseLine]


class RunFilters(DiffFilters):
    """What a list of runs was limited to; null is no limit."""

    trace_id: str | None = None
    session_id: str | None = None
    span_id: str | None = None
    run_kind: RunKind | None = None


class Runs(BaseModel):
    """The answer of ``GET /v1/runs``: a page of the runs in ``[since, until)``, newest first."""

    release_id: str
    since: str
    until: str
    filters: RunFilters
    offset: int
    limit: int
    matched_total: int
    returned: int
    truncated: bool
    events: list[RunEvent]
    data_quality: DataQuality


class Ingested(BaseModel):
    """The answer of ``POST /v1/events``: how many events were new, known, or of a known run with other content.

    ``conflicting_run_ids`` names the runs of the first 1,000 conflicts. ``warnings`` say what is odd about events that
    were taken all the same: a release that is not registered, a time ahead of the server's, numbers over what
    comparisons count.
    """

    inserted: int
    duplicates: int
    conflicts: int
    conflicting_run_ids: list[str]
    warnings: list[str]


Documented = dict[int | str, dict[str, Any]]
RELEASES: Documented = {200: {"model": Releases}}
RUNS: Documented = {200: {"model": Runs}}
POLICY: Documented = {200: {"model": Policy}}
INGESTED: Documented = {200: {"model": Ingested}}
