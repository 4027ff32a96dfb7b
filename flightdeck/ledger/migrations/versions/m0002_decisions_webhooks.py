"""Decisions with their pointers and requests, webhooks with their outbox and log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_Sequence = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_GENESIS = "0" * 64


def upgrade() -> None:
    """Creates the tables, and the head of the empty sequence of decisions."""
    _decisions()
    _webhooks()


def _decisions() -> None:
    op.create_table(
        "decision",
        sa.Column("audit_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("action_id", sa.String(64), nullable=False),
        sa.Column("action", sa.String(8), nullable=False),
        sa.Column("release_id", sa.String(256), nullable=False),
        sa.Column("agent_id", sa.String(256), nullable=False),
        sa.Column("environment", sa.String(256), nullable=False),
        sa.Column("baseline_release_id", sa.String(256)),
        sa.Column("window", sa.String(256), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(256), nullable=False),
        sa.Column("policy_json", sa.Text(), nullable=False),
        sa.Column("promoted_pointer_changed", sa.Boolean(), nullable=False),
        sa.Column("request_id", sa.String(64)),
        sa.Column("evidence_json", sa.Text(), nullable=False),
        sa.Column("evidence_sha256", sa.String(64), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.CheckConstraint("action IN ('promote', 'rollback')", name=op.f("ck_decision_action")),
        sa.PrimaryKeyConstraint("audit_seq", name="pk_decision"),
        sa.UniqueConstraint("action_id", name="uq_decision_action_id"),
    )
    op.create_index(
        "ix_decision_agent_id_environment_release_id", "decision", ["agent_id", "environment", "release_id"]
    )
    head = op.create_table(
        "decision_head",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("audit_seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.CheckConstraint("one = 1", name=op.f("ck_decision_head_one")),
        sa.PrimaryKeyConstraint("one", name="pk_decision_head"),
    )
    op.bulk_insert(head, [{"one": 1, "audit_seq": 0, "hash": _GENESIS}])
    op.create_table(
        "promoted",
        sa.Column("agent_id", sa.String(256), nullable=False),
        sa.Column("environment", sa.String(256), nullable=False),
        sa.Column("release_id", sa.String(256), nullable=False),
        sa.Column("audit_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["audit_seq"], ["decision.audit_seq"], name="fk_promoted_audit_seq"),
        sa.PrimaryKeyConstraint("agent_id", "environment", name="pk_promoted"),
    )
    op.create_table(
        "promotion_request",
        sa.Column("seq", _Sequence, autoincrement=True, nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("status", sa.String(256), nullable=False),
        sa.Column("release_id", sa.String(256), nullable=False),
        sa.Column("agent_id", sa.String(256), nullable=False),
        sa.Column("environment", sa.String(256), nullable=False),
        sa.Column("window", sa.String(256), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(256), nullable=False),
        sa.Column("baseline_release_id", sa.String(256)),
        sa.Column("policy_json", sa.Text(), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at_us", sa.BigInteger()),
        sa.Column("completed_action_id", sa.String(64)),
        sa.PrimaryKeyConstraint("seq", name="pk_promotion_request"),
        sa.UniqueConstraint("request_id", name="uq_promotion_request_request_id"),
        sqlite_autoincrement=True,
    )


def _webhooks() -> None:
    op.create_table(
        "webhook",
        sa.Column("seq", _Sequence, autoincrement=True, nullable=False),
        sa.Column("webhook_id", sa.String(64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events_json", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("secret", sa.String(256), nullable=False),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_webhook"),
        sa.UniqueConstraint("webhook_id", name="uq_webhook_webhook_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("seq", _Sequence, autoincrement=True, nullable=False),
        sa.Column("delivery_id", sa.String(64), nullable=False),
        sa.Column("webhook_id", sa.String(64), nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("data_json", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at_us", sa.BigInteger()),
        sa.Column("created_at_us", sa.BigInteger(), nullable=False),
        sa.Column("finished_at_us", sa.BigInteger()),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'failed', 'cancelled')", name=op.f("ck_webhook_delivery_state")
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_webhook_delivery"),
        sa.UniqueConstraint("delivery_id", name="uq_webhook_delivery_delivery_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_webhook_delivery_due_at_us", "webhook_delivery", ["due_at_us"])
    op.create_index("ix_webhook_delivery_webhook_id", "webhook_delivery", ["webhook_id"])
    op.create_table(
        "webhook_attempt",
        sa.Column("delivery_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("delivery_id", "number", name="pk_webhook_attempt"),
    )


def downgrade() -> None:
    """Drops them; the ledger itself never goes back."""
    for table in (
        "webhook_attempt",
        "webhook_delivery",
        "webhook",
        "promotion_request",
        "promoted",
        "decision_head",
        "decision",
    ):
        op.drop_table(table)
