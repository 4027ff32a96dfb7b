"""Releases, pricing tables with their import audit, policies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_Sequence = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Creates the tables of the first release."""
    op.create_table(
        "release",
        sa.Column("seq", _Sequence, autoincrement=True, nullable=False),
        sa.Column("release_id", sa.String(256), nullable=False),
        sa.Column("agent_id", sa.String(256), nullable=False),
        sa.Column("version", sa.String(256), nullable=False),
        sa.Column("environment", sa.String(256), nullable=False),
        sa.Column("checksum", sa.String(64), nullable=False),
        sa.Column("digest_v2", sa.String(64), nullable=False),
        sa.Column("artifact_json", sa.Text(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_release"),
        sa.UniqueConstraint("release_id", name="uq_release_release_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_release_agent_id_version", "release", ["agent_id", "version"])
    op.create_table(
        "pricing_import",
        sa.Column("seq", _Sequence, autoincrement=True, nullable=False),
        sa.Column("import_id", sa.String(16), nullable=False),
        sa.Column("provider", sa.String(256), nullable=False),
        sa.Column("pricing_version", sa.String(256), nullable=False),
        sa.Column("action", sa.String(7), nullable=False),
        sa.Column("actor", sa.String(256), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("old_json", sa.Text()),
        sa.Column("new_json", sa.Text(), nullable=False),
        sa.Column("new_checksum", sa.String(64), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("action IN ('insert', 'replace')", name="ck_pricing_import_action"),
        sa.PrimaryKeyConstraint("seq", name="pk_pricing_import"),
        sa.UniqueConstraint("import_id", name="uq_pricing_import_import_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "pricing_table",
        sa.Column("provider", sa.String(256), nullable=False),
        sa.Column("pricing_version", sa.String(256), nullable=False),
        sa.Column("import_seq", _Sequence, nullable=False),
        sa.Column("pricing_json", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["import_seq"], ["pricing_import.seq"], name="fk_pricing_table_import_seq"),
        sa.PrimaryKeyConstraint("provider", "pricing_version", name="pk_pricing_table"),
        sa.UniqueConstraint("import_seq", name="uq_pricing_table_import_seq"),
    )
    op.create_table(
        "policy",
        sa.Column("seq", _Sequence, autoincrement=True, nullable=False),
        sa.Column("policy_id", sa.String(256), nullable=False),
        sa.Column("policy_json", sa.Text(), nullable=False),
        sa.Column("set_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_policy"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drops them; the ledger itself never goes back."""
    for table in ("policy", "pricing_table", "pricing_import", "release"):
        op.drop_table(table)
