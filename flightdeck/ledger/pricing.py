"""Imported pricing tables, and the audit of every import."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from flightdeck.errors import Conflict, Invalid, NotFound
from flightdeck.ledger.database import Database
from flightdeck.ledger.documents import canonical, name, text
from flightdeck.ledger.tables import PRICING_IMPORTS, PRICING_TABLES
from flightdeck.models import PricingTable
from flightdeck.pricing.tables import check_table

Action = Literal["insert", "replace"]


class PricingImport(NamedTuple):
    """One import: ``old`` is null unless it replaced a table; ``checksum`` is SHA-256 of the new table's JSON."""

    import_id: str
    action: Action
    provider: str
    pricing_version: str
    actor: str
    reason: str | None
    old: dict[str, Any] | None
    new: dict[str, Any]
    checksum: str
    created_at: datetime


class Pricing:
    """The imported tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def import_table(
        self,
        table: PricingTable,
        *,
        import_id: str,
        now: datetime,
        replace: bool = False,
        reason: str | None = None,
        actor: str = "unknown",
    ) -> Action:
        """Stores a table and, in the same transaction, the record of its import; says which of the two it was.

        Args:
            table: the prices.
            import_id: the id of the audit record, ``pim_`` and 12 hex digits.
            now: the time of the import.
            replace: whether a table of this provider and version may be there already. Then a reason is needed.
            reason: why; blank is none.
            actor: who.

        Raises:
            Conflict: the table is there and ``replace`` is false.
            Invalid: it is there and the reason is missing; or a price or name that can't be stored.
        """
        check_table(table)
        provider = name(table.provider, "provider")
        version = name(table.pricing_version, "pricing_version")
        why = text((reason or "").strip(), "reason") or None
        audit = {
            "import_id": import_id,
            "provider": provider,
            "pricing_version": version,
            "actor": name(actor, "actor"),
            "reason": why,
            "created_at_us": now,
        }
        new_json = canonical(table.model_dump(mode="json"), "pricing table")
        taken = f"Pricing table already exists for {provider}/{version}. Use --replace to override."
        try:
            with self._database.write() as connection:
                old_json = _stored(connection, provider, version, lock=True)
                _may_write(old_json, replace=replace, reason=why, taken=taken)
                return _write(connection, audit, old_json, new_json)
        except Conflict as error:
            # Of two first imports at the same time the database lets one in.
            raise Conflict(taken) from error

    def get(self, provider: str, pricing_version: str) -> PricingTable:
        """A table.

        Raises:
            NotFound: it was never imported.
        """
        table = self.find(provider, pricing_version)
        if table is None:
            raise NotFound(f"Pricing table not found: {provider}/{pricing_version}")
        return table

    def find(self, provider: str, pricing_version: str) -> PricingTable | None:
        """A table, or None when it was never imported."""
        with self._database.read() as connection:
            stored = _stored(connection, provider, pricing_version)
        return None if stored is None else PricingTable.model_validate_json(stored)

    def newest(self) -> dict[str, PricingTable]:
        """Of every provider the table that was imported last (a replacement is an import)."""
        last = select(func.max(PRICING_TABLES.c.import_seq)).group_by(PRICING_TABLES.c.provider)
        with self._database.read() as connection:
            rows = connection.scalars(
                select(PRICING_TABLES.c.pricing_json).where(PRICING_TABLES.c.import_seq.in_(last))
            ).all()
        tables = [PricingTable.model_validate_json(stored) for stored in rows]
        return {table.provider: table for table in tables}

    def versions(self) -> list[tuple[str, str]]:
        """Provider and version of every table, sorted as text."""
        with self._database.read() as connection:
            rows = connection.execute(select(PRICING_TABLES.c.provider, PRICING_TABLES.c.pricing_version)).all()
        return sorted((provider, version) for provider, version in rows)

    def count(self) -> int:
        """How many tables there are."""
        with self._database.read() as connection:
            return connection.execute(select(func.count()).select_from(PRICING_TABLES)).scalar_one()

    def imports(self, *, limit: int = 1_000) -> list[PricingImport]:
        """The audit, newest first."""
        columns = PRICING_IMPORTS.c
        with self._database.read() as connection:
            rows = connection.execute(select(PRICING_IMPORTS).order_by(columns.seq.desc()).limit(limit)).all()
        return [
            PricingImport(
                import_id=row.import_id,
                action=row.action,
                provider=row.provider,
                pricing_version=row.pricing_version,
                actor=row.actor,
                reason=row.reason,
                old=None if row.old_json is None else json.loads(row.old_json),
                new=json.loads(row.new_json),
                checksum=row.new_checksum,
                created_at=row.created_at_us,
            )
            for row in rows
        ]


def _key(provider: str, pricing_version: str) -> ColumnElement[bool]:
    return (PRICING_TABLES.c.provider == provider) & (PRICING_TABLES.c.pricing_version == pricing_version)


def _stored(connection: Connection, provider: str, pricing_version: str, *, lock: bool = False) -> str | None:
    query = select(PRICING_TABLES.c.pricing_json).where(_key(provider, pricing_version))
    return connection.scalar(query.with_for_update() if lock else query)


def _may_write(old_json: str | None, *, replace: bool, reason: str | None, taken: str) -> None:
    if old_json is None:
        return
    if not replace:
        raise Conflict(taken)
    if reason is None:
        raise Invalid("--reason is required when using --replace for pricing imports.", field="reason")


def _write(connection: Connection, audit: Mapping[str, Any], old_json: str | None, new_json: str) -> Action:
    action: Action = "insert" if old_json is None else "replace"
    checksum = hashlib.sha256(new_json.encode()).hexdigest()
    row = {**audit, "action": action, "old_json": old_json, "new_json": new_json, "new_checksum": checksum}
    seq = connection.execute(insert(PRICING_IMPORTS).returning(PRICING_IMPORTS.c.seq), row).scalar_one()
    key = {"provider": audit["provider"], "pricing_version": audit["pricing_version"]}
    written = {"pricing_json": new_json, "import_seq": seq}
    if old_json is None:
        connection.execute(insert(PRICING_TABLES), {**key, **written})
    else:
        connection.execute(update(PRICING_TABLES).where(_key(**key)).values(written))
    return action
