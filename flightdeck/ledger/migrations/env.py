"""Alembic's entry: runs the numbered migrations on the connection that the ledger opened."""

from __future__ import annotations

from alembic import context

from flightdeck.ledger.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table="ledger_version",
)
context.run_migrations()
