"""Policies of an agent or environment, who set them, and looks at verdicts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_Sequence = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Adds columns to the policies, all of which were for any agent and environment, and creates the looks."""
    for column in (
        sa.Column("agent_id", sa.String(256)),
        sa.Column("environment", sa.String(256)),
        sa.Column("actor", sa.String(256), nullable=False, server_default="unknown"),
        sa.Column("removed", sa.Boolean(), nullable=False, server_default=sa.false()),
    ):
        op.add_column("policy", column)
    op.create_index("ix_policy_agent_id_environment", "policy", ["agent_id", "environment"])
    op.create_table(
        "look",
        sa.Column("seq", _Sequence, autoincrement=True, nullable=False),
        sa.Column("baseline_release_id", sa.String(256), nullable=False),
        sa.Column("candidate_release_id", sa.String(256), nullable=False),
        sa.Column("environment", sa.String(256), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("sequential", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.String(256), nullable=False),
        sa.Column("looked_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_look"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_look_baseline_release_id_candidate_release_id_environment",
        "look",
        ["baseline_release_id", "candidate_release_id", "environment"],
    )


def downgrade() -> None:
    """Drops them; the ledger itself never goes back."""
    op.drop_table("look")
    op.drop_index("ix_policy_agent_id_environment", "policy")
    for column in ("removed", "actor", "environment", "agent_id"):
        op.drop_column("policy", column)
