"""Routes over pricing tables: list, import, and the record of imports."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from flightdeck.app import App
from flightdeck.models import Moment, PricingTable
from flightdeck.pricing import defaults
from flightdeck.pricing.versions import means_defaults
from flightdeck.server.actors import Actors
from flightdeck.server.auth import may_write, readers

MOST_IMPORTS = 500


class Import(BaseModel):
    """A pricing table to import."""

    table: PricingTable
    replace: bool = False
    reason: str | None = None
    actor: str = "http"


class Imported(BaseModel):
    """An import on record; ``old`` is null unless it replaced a table, ``checksum`` is the SHA-256 of ``new``."""

    import_id: str
    action: Literal["insert", "replace"]
    provider: str
    pricing_version: str
    actor: str
    reason: str | None
    old: PricingTable | None
    new: PricingTable
    checksum: str
    created_at: Moment


class Imports(BaseModel):
    """The answer of ``GET /v1/pricing/imports``."""

    imports: list[Imported]


class TableName(BaseModel):
    """Which table: ``provider/pricing_version`` names it where a diff is priced by another one."""

    provider: str
    pricing_version: str


class Versions(BaseModel):
    """The answer of ``GET /v1/pricing/versions``."""

    versions: list[TableName]
    default_version: str


def router(app: App) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["pricing"])
    may_read = Depends(readers(app.access))
    actors = Actors(app.settings.server.trusted_proxies)

    @routes.get("/v1/pricing", dependencies=[may_read])
    def pricing(provider: str | None = None, pricing_version: str | None = None) -> dict[str, Any]:
        """The imported tables, or the one of this provider and version.

        A version that stands for the default prices (``genai-prices-…``) need not be imported: what they are now.
        """
        tables = app.ledger().pricing
        if provider is not None and pricing_version is not None:
            table = tables.find(provider, pricing_version)
            if table is None and means_defaults(pricing_version):
                table = defaults.table(provider, datetime.now(UTC))
            return {"tables": [(table or tables.get(provider, pricing_version)).model_dump(mode="json")]}
        wanted = [key for key in tables.versions() if provider in (None, key[0]) and pricing_version in (None, key[1])]
        return {"tables": [tables.get(*key).model_dump(mode="json") for key in wanted]}

    @routes.get("/v1/pricing/versions", dependencies=[may_read])
    def versions() -> Versions:
        """Provider and version of every imported table, and the version of the default prices."""
        imported = [
            TableName(provider=name, pricing_version=version) for name, version in app.ledger().pricing.versions()
        ]
        return Versions(versions=imported, default_version=defaults.version())

    @routes.get("/v1/pricing/imports", dependencies=[may_read])
    def imports(limit: Annotated[int, Query(ge=1, le=MOST_IMPORTS)] = 50) -> Imports:
        """The record of imports, newest first: who imported which table, why, and what it replaced."""
        return Imports(
            imports=[Imported.model_validate(one._asdict()) for one in app.ledger().pricing.imports(limit=limit)]
        )

    @routes.post("/v1/pricing")
    def import_pricing(wanted: Import, request: Request) -> dict[str, str]:
        """Imports a pricing table; to replace one, say so and why."""
        may_write(app.access, request)
        action = app.ledger().pricing.import_table(
            wanted.table,
            import_id=f"pim_{uuid.uuid4().hex[:12]}",
            now=datetime.now(UTC),
            replace=wanted.replace,
            reason=wanted.reason,
            actor=actors.of(request, wanted.actor),
        )
        table = wanted.table
        return {"provider": table.provider, "pricing_version": table.pricing_version, "action": action}

    return routes
