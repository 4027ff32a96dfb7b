"""The ledger's tables, as SQLAlchemy Core sees them; ``migrations/`` creates them.

Releases, decisions, audits and policies are only ever inserted. What is replaced is a pricing table (its import is
audited), a pointer and the head of the decisions (by a decision, in its transaction), a request when it is confirmed, a
message when it was sent. Documents are kept as JSON text with sorted keys, the same bytes on both databases; moments
are whole microseconds since the epoch, UTC. No name is one of 1.3's tables: the file of a 1.3 workspace can be opened,
and imported from, where it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

NAME_LENGTH = 256
"""Longest agent, version, environment, provider, pricing version and policy id, in characters."""


class Moment(TypeDecorator[datetime]):
    """A zone-aware datetime, stored as microseconds since the epoch: ordered and exact on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To microseconds; a datetime without a zone is a mistake of the caller and raises TypeError."""
        del dialect
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """To a datetime in UTC."""
        del dialect
        return None if value is None else _EPOCH + value * _MICROSECOND


# SQLite counts rowids only for INTEGER keys; 64 bits there, BIGINT elsewhere.
_Sequence = BigInteger().with_variant(Integer, "sqlite")

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

RELEASES = Table(
    "release",
    METADATA,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("release_id", String(NAME_LENGTH), nullable=False, unique=True),
    Column("agent_id", String(NAME_LENGTH), nullable=False),
    Column("version", String(NAME_LENGTH), nullable=False),
    Column("environment", String(NAME_LENGTH), nullable=False),
    Column("checksum", String(64), nullable=False),
    Column("digest_v2", String(64), nullable=False),
    Column("artifact_json", Text, nullable=False),
    Column("created_at_us", Moment, nullable=False),
    Index(None, "agent_id", "version"),
    sqlite_autoincrement=True,
)

PRICING_IMPORTS = Table(
    "pricing_import",
    METADATA,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("import_id", String(16), nullable=False, unique=True),
    Column("provider", String(NAME_LENGTH), nullable=False),
    Column("pricing_version", String(NAME_LENGTH), nullable=False),
    Column("action", String(7), nullable=False),
    Column("actor", String(NAME_LENGTH), nullable=False),
    Column("reason", Text),
    Column("old_json", Text),
    Column("new_json", Text, nullable=False),
    Column("new_checksum", String(64), nullable=False),
    Column("created_at_us", Moment, nullable=False),
    CheckConstraint("action IN ('insert', 'replace')", name="action"),
    sqlite_autoincrement=True,
)

PRICING_TABLES = Table(
    "pricing_table",
    METADATA,
    Column("provider", String(NAME_LENGTH), primary_key=True),
    Column("pricing_version", String(NAME_LENGTH), primary_key=True),
    # The import that wrote the row: the largest of a provider is its newest table.
    Column("import_seq", _Sequence, ForeignKey("pricing_import.seq"), nullable=False, unique=True),
    Column("pricing_json", Text, nullable=False),
)

POLICIES = Table(
    "policy",
    METADATA,
    # The largest of an agent and environment is in force there; earlier ones stay as history.
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("policy_id", String(NAME_LENGTH), nullable=False),
    Column("policy_json", Text, nullable=False),
    Column("set_at_us", Moment, nullable=False),
    # Null is any. An environment may be "", so that can't mean it.
    Column("agent_id", String(NAME_LENGTH)),
    Column("environment", String(NAME_LENGTH)),
    Column("actor", String(NAME_LENGTH), nullable=False, server_default="unknown"),
    # A row that takes the one before it out of force; its policy is that one's.
    Column("removed", Boolean, nullable=False, server_default=false()),
    Index(None, "agent_id", "environment"),
    sqlite_autoincrement=True,
)

# --- decisions ----------------------------------------------------------------------------------------

DECISIONS = Table(
    "decision",
    METADATA,
    # Assigned under the lock of the head's row, so that it has no gaps: a database's own sequence would.
    Column("audit_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("action_id", String(64), nullable=False, unique=True),
    Column("action", String(8), nullable=False),
    Column("release_id", String(NAME_LENGTH), nullable=False),
    Column("agent_id", String(NAME_LENGTH), nullable=False),
    Column("environment", String(NAME_LENGTH), nullable=False),
    Column("baseline_release_id", String(NAME_LENGTH)),
    Column("window", String(NAME_LENGTH), nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(NAME_LENGTH), nullable=False),
    Column("policy_json", Text, nullable=False),
    Column("promoted_pointer_changed", Boolean, nullable=False),
    Column("request_id", String(64)),
    Column("evidence_json", Text, nullable=False),
    Column("evidence_sha256", String(64), nullable=False),
    Column("created_at_us", Moment, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    CheckConstraint("action IN ('promote', 'rollback')", name="action"),
    Index(None, "agent_id", "environment", "release_id"),
)

DECISION_HEAD = Table(
    "decision_head",
    METADATA,
    # One row, whatever happens: its lock puts decisions in order, and it shows when the last ones were deleted.
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("audit_seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    CheckConstraint("one = 1", name="one"),
)

POINTERS = Table(
    "promoted",
    METADATA,
    Column("agent_id", String(NAME_LENGTH), primary_key=True),
    Column("environment", String(NAME_LENGTH), primary_key=True),
    Column("release_id", String(NAME_LENGTH), nullable=False),
    # The decision that moved it last: what compare-and-set compares, so that A, B, A is not taken for A.
    Column("audit_seq", BigInteger, ForeignKey("decision.audit_seq"), nullable=False),
)

REQUESTS = Table(
    "promotion_request",
    METADATA,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("request_id", String(64), nullable=False, unique=True),
    Column("status", String(NAME_LENGTH), nullable=False),
    Column("release_id", String(NAME_LENGTH), nullable=False),
    Column("agent_id", String(NAME_LENGTH), nullable=False),
    Column("environment", String(NAME_LENGTH), nullable=False),
    Column("window", String(NAME_LENGTH), nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String(NAME_LENGTH), nullable=False),
    Column("baseline_release_id", String(NAME_LENGTH)),
    Column("policy_json", Text, nullable=False),
    Column("created_at_us", Moment, nullable=False),
    Column("resolved_at_us", Moment),
    Column("completed_action_id", String(64)),
    sqlite_autoincrement=True,
)

LOOKS = Table(
    "look",
    METADATA,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("baseline_release_id", String(NAME_LENGTH), nullable=False),
    Column("candidate_release_id", String(NAME_LENGTH), nullable=False),
    Column("environment", String(NAME_LENGTH), nullable=False),
    Column("status", String(16), nullable=False),
    Column("sequential", Boolean, nullable=False),
    Column("actor", String(NAME_LENGTH), nullable=False),
    Column("looked_at_us", Moment, nullable=False),
    Index(None, "baseline_release_id", "candidate_release_id", "environment"),
    sqlite_autoincrement=True,
)

# --- webhooks -----------------------------------------------------------------------------------------

WEBHOOKS = Table(
    "webhook",
    METADATA,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("webhook_id", String(64), nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("events_json", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("description", Text),
    Column("secret", String(NAME_LENGTH), nullable=False),
    Column("created_at_us", Moment, nullable=False),
    sqlite_autoincrement=True,
)

DELIVERIES = Table(
    "webhook_delivery",
    METADATA,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("delivery_id", String(64), nullable=False, unique=True),
    Column("webhook_id", String(64), nullable=False),
    Column("event", String(64), nullable=False),
    Column("data_json", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    # Attempts since it was last put into the outbox: the back-off begins anew when somebody sends it again.
    Column("tries", Integer, nullable=False),
    # When to send it next; while somebody sends it, until when nobody else may. Null once it is finished.
    Column("due_at_us", Moment),
    Column("created_at_us", Moment, nullable=False),
    Column("finished_at_us", Moment),
    CheckConstraint("state IN ('pending', 'delivered', 'failed', 'cancelled')", name="state"),
    Index(None, "due_at_us"),
    Index(None, "webhook_id"),
    sqlite_autoincrement=True,
)

ATTEMPTS = Table(
    "webhook_attempt",
    METADATA,
    Column("delivery_id", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_us", Moment, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("status", Integer),
    Column("error", Text),
)
